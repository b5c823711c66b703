"""A storyboard with the places of its keys, for messages of later steps."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from wan_render.authored.storyboard_keys import Storyboard
from wan_render.authored.values import Frozen
from wan_render.errors import Problem
from wan_render.printable import path_name

PathInFile = tuple[str | int, ...]
"""A place in the normalised storyboard: ("scenes", 0, "shots", 2, "duration"), keys as the file spells them
(`from`, `in`, `shot`); a film that writes `shots:` at the top has them at ("scenes", 0, "shots")."""

Marks = dict[PathInFile, tuple[int, int]]
"""(line, column), both from 1, of every key and list item."""


class Document(Frozen):
    """A storyboard, and the file that it comes from.

    file:     as the user named it, for messages.
    marks:    (line, column), both from 1, of every key, for messages of later steps.
    allow:    further folders that paths may lead to.
    mistakes: those found while reading, each with its (line, column). With mistakes, the storyboard holds only what
              was left of the file: enough to find more mistakes, but not to render.
    refused:  the places of those mistakes.
    """

    storyboard: Storyboard
    file: Path
    marks: Marks
    allow: tuple[Path, ...] = ()
    mistakes: Mapping[Problem, tuple[int, int]] = Field(default_factory=dict)
    refused: frozenset[PathInFile] = frozenset()

    @property
    def folder(self) -> Path:
        """The folder that the storyboard's paths are relative to."""
        return self.file.parent

    def where(self, *path: str | int) -> str:
        """`river.yaml:31:9: scenes[0].shots[2].duration`, with the line and column of the nearest key in the file."""
        return place(self.file, self.marks, path)


def place(file: Path, marks: Marks, path: PathInFile) -> str:
    """`river.yaml:31:9: scenes[0].shots[2].duration`; `shots[2].duration` if the file has its shots at the top."""
    line, column = nearest(marks, path)
    written = path[2:] if path[:3] == ("scenes", 0, "shots") and ("scenes", 0) not in marks else path
    start = f"{path_name(file)}:{line}:{column}"
    return f"{start}: {spelt(written)}" if written else start


def nearest(marks: Marks, path: PathInFile) -> tuple[int, int]:
    """The mark of a place, or of the nearest enclosing place that is in the file."""
    known = path
    while known and known not in marks:
        known = known[:-1]
    return marks.get(known, (1, 1))


def spelt(path: PathInFile) -> str:
    """`scenes[0].shots[2].duration`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
