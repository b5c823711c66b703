"""How well quality control finds faults, and how often it is wrong: `python -m benchmarks.qc`."""
