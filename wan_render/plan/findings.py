"""Mistakes and warnings, gathered while a plan is made, so that all of them are reported at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from wan_render.errors import Problem, StoryboardError
from wan_render.model import Document, PathInFile, nearest

_Mark = tuple[int, int]


@dataclass
class Findings:
    """What was found in one document. Planning goes on after a mistake, with a value that is allowed instead."""

    document: Document
    _errors: dict[Problem, _Mark] = field(default_factory=dict)
    _warnings: dict[Problem, _Mark] = field(default_factory=dict)

    def error(self, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """A mistake at a place of the storyboard: there will be no plan. An inherited one is told once."""
        self._errors[Problem(self.document.where(*place), found, allowed, remedy)] = nearest(self.document.marks, place)

    def warn(self, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """Something that the user may not want. An inherited one is told once."""
        self._warnings[Problem(self.document.where(*place), found, allowed, remedy)] = nearest(
            self.document.marks, place
        )

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """In the order of the file."""
        return _in_order(self._warnings)

    def raise_errors(self) -> None:
        """Raise StoryboardError with every mistake, in the order of the file."""
        if self._errors:
            raise StoryboardError(*_in_order(self._errors))


def _in_order(problems: dict[Problem, _Mark]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=problems.__getitem__))
