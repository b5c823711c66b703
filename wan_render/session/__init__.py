"""One storyboard in one store, as a terminal and a flow work on it, and the words both use for it."""
