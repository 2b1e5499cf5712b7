"""Did last night's cascade run: each phase at its time, with all of its data, and with rows behind it."""
