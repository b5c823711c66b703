"""Collects the mistakes of one file, so that all of them are reported at once and in the order of the file."""

from __future__ import annotations

from pathlib import Path

from wan_render.authored import Marks, PathInFile, nearest, place
from wan_render.errors import Problem, StoryboardError
from wan_render.printable import path_name

MOST_LISTED = 1000
"""Mistakes that are reported for one file. A file with more is not a storyboard, so more would not help."""


class Mistakes:
    """Collects mistakes at places of one file. A mistake inside an anchor is reported once, however often the anchor is
    used.

    marks:     the places of keys.
    refused:   the keys that have a mistake.
    meant:     the keys that misspelt ones were meant to be.
    elsewhere: whether there is a mistake that is not at a key.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.marks: Marks = {}
        self.refused: set[PathInFile] = set()
        self.meant: set[PathInFile] = set()
        self.elsewhere = False
        self._problems: dict[tuple[tuple[int, int], str], Problem] = {}

    def add(self, path: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """Add a mistake at a key or an item. Later checks skip the place (see `covers`)."""
        self.refused.add(path)
        if not self.full:
            self._add(nearest(self.marks, path), Problem(place(self.file, self.marks, path), found, allowed, remedy))

    def add_at(self, mark: tuple[int, int], found: str, allowed: str = "", remedy: str = "") -> None:
        """Add a mistake at a (line, column) that is not a key's."""
        self.elsewhere = True
        self._add(mark, Problem(f"{path_name(self.file)}:{mark[0]}:{mark[1]}", found, allowed, remedy))

    def _add(self, mark: tuple[int, int], problem: Problem) -> None:
        if (mark, problem.found) not in self._problems and not self.full:
            self._problems[mark, problem.found] = problem

    @property
    def full(self) -> bool:
        """Whether no more mistakes are reported, so that no more need to be found."""
        return len(self._problems) >= MOST_LISTED

    def has(self, path: PathInFile) -> bool:
        """Whether the file has this key with a mistake, or a misspelling of it."""
        return path in self.refused or path in self.meant

    def covers(self, path: PathInFile) -> bool:
        """Whether there is a mistake at this place or above it."""
        return any(path[:length] in self.refused for length in range(len(path) + 1))

    @property
    def problems(self) -> dict[Problem, tuple[int, int]]:
        """Every mistake → its (line, column)."""
        return {problem: mark for (mark, _), problem in self._problems.items()}

    def raise_any(self) -> None:
        """Raise StoryboardError with every mistake, in the order of the file, if there are any."""
        if not self._problems:
            return
        problems = [problem for _, problem in sorted(self._problems.items(), key=lambda item: item[0][0])]
        if self.full:
            more = f"there may be more than these {MOST_LISTED:,} mistakes"
            problems.append(Problem(path_name(self.file), more, "", "fix these first"))
        raise StoryboardError(*problems)
