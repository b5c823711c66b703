"""Faults at random times over a night. See `python -m benchmarks.faults --help`."""
