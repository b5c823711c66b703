"""Measurements of the Wan backend on a GPU."""
