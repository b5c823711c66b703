"""A film as jobs of other schedulers. Their tasks are `wan-render render` on a shared outputs folder, which is all that
they share: takes are locked and found there."""
