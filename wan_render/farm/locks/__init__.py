"""One lock for each device of this machine, and who holds it."""
