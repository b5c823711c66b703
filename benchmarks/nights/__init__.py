"""Random nights, rendered by the real scheduler on a simulated farm, compared with what is possible."""
