"""Films as jobs of other schedulers."""
