"""A lock per device of this machine, and who holds it."""
