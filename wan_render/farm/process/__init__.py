"""A device process: the farm's side, the child's side, and the messages between them."""
