"""One device process: seen from the farm, from inside, and the messages between the two."""
