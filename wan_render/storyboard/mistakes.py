"""The mistakes of one file, gathered, so that all of them are told at once and in its order."""

from __future__ import annotations

from pathlib import Path

from wan_render.authored import Marks, PathInFile, nearest, place
from wan_render.errors import Problem, StoryboardError
from wan_render.printable import path_name

MOST_TOLD = 1000
"""Mistakes told of one file; a file with more is another kind of file, and only their number helps."""


class Mistakes:
    """Gathers mistakes at places of one file. One that stands at an anchor is told once, however often it is used.

    marks: the places of keys. refused: those with a mistake. meant: keys that a misspelt one was meant to be.
    elsewhere: whether a mistake was told that is at no key.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.marks: Marks = {}
        self.refused: set[PathInFile] = set()
        self.meant: set[PathInFile] = set()
        self.elsewhere = False
        self._told: dict[tuple[tuple[int, int], str], Problem] = {}

    def add(self, path: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """A mistake at a key or an item; what follows from it below the same place is not told."""
        self.refused.add(path)
        if not self.full:
            self._tell(nearest(self.marks, path), Problem(place(self.file, self.marks, path), found, allowed, remedy))

    def add_at(self, mark: tuple[int, int], found: str, allowed: str = "", remedy: str = "") -> None:
        """A mistake at a (line, column) that is no key's."""
        self.elsewhere = True
        self._tell(mark, Problem(f"{path_name(self.file)}:{mark[0]}:{mark[1]}", found, allowed, remedy))

    def _tell(self, mark: tuple[int, int], problem: Problem) -> None:
        if (mark, problem.found) not in self._told and not self.full:
            self._told[mark, problem.found] = problem

    @property
    def full(self) -> bool:
        """Whether no more will be told, so that no more need be looked for."""
        return len(self._told) >= MOST_TOLD

    def has(self, path: PathInFile) -> bool:
        """Whether a key stands there, or one that was meant to be it, though a mistake was told about it."""
        return path in self.refused or path in self.meant

    def covers(self, path: PathInFile) -> bool:
        """Whether a mistake was told at this place or above it."""
        return any(path[:length] in self.refused for length in range(len(path) + 1))

    @property
    def told(self) -> dict[Problem, tuple[int, int]]:
        """Every mistake, with its (line, column)."""
        return {problem: mark for (mark, _), problem in self._told.items()}

    def raise_any(self) -> None:
        """Raise StoryboardError with every mistake in the order of the file, if there is one."""
        if not self._told:
            return
        problems = [problem for _, problem in sorted(self._told.items(), key=lambda item: item[0][0])]
        if self.full:
            more = f"there may be more than these {MOST_TOLD:,} mistakes"
            problems.append(Problem(path_name(self.file), more, "", "mend these first"))
        raise StoryboardError(*problems)
