"""Plan, run and remember: phases, workflows and tasks."""
