"""One storyboard in one store: what the command line and the flows share, and the words both use."""
