"""The audit trail: every change that an operator, a tick or a healer makes."""
