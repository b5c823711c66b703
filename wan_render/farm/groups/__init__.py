"""Several devices that render one take together: when, how many, and how they meet."""
