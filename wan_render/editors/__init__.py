"""Out to an editor: the cut of a film as a timeline, and the formats in which editing software reads it."""
