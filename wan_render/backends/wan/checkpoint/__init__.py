"""Folders of weights: where they are, what they hold, whether they are complete, and loading their components."""
