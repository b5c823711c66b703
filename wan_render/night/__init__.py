"""A night: the films of a folder on one farm, in a window of time, with a record of what happened."""
