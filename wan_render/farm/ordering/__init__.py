"""Which order begins next, and whether there is time for it. No threads, no processes, no farm."""
