"""Measurements, run by hand; the commands stand in docs/benchmarks.md."""
