"""How far off expected times are, and how often a take ends within its range."""
