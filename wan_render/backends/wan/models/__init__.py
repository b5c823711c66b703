"""What is known about each Wan model without loading it: numbers, sizes, limits. Needs no torch."""
