"""What is known of each Wan model without loading it: numbers, sizes, limits. Needs no torch."""
