"""Starts the whole system on one machine: `python -m servicekit.launcher`."""
