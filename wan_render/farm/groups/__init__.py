"""Groups of devices that render one take: when they form, how large they are, how they meet."""
