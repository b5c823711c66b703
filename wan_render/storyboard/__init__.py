"""YAML → Storyboard. Reports every mistake of a file at once, each with its place and a remedy.

file → source (text) → events (refused or bounded) → nodes (places) → normal (canonical form) → the types of
`authored` → rules and references → Document.
"""

from wan_render.storyboard.reader import faultless, read_as_far_as_possible, read_storyboard

__all__ = ["faultless", "read_as_far_as_possible", "read_storyboard"]
