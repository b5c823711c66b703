"""wan-render: a YAML storyboard becomes a finished film, overnight.

The way of the data, one direction:
storyboard -> plan (of takes) -> clips in the store -> cut -> film.
"""

__version__ = "0.1.0"
