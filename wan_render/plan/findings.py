"""Mistakes and warnings, gathered while a plan is made, so that all of them are reported at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from wan_render.errors import Problem, StoryboardError
from wan_render.model import Document, PathInFile


@dataclass
class Findings:
    """What was found in one document. Planning goes on after a mistake, with a value that is allowed instead."""

    document: Document
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """A mistake at a place of the storyboard: there will be no plan. The same one is told once."""
        self._add(self.errors, place, found, allowed, remedy)

    def warn(self, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """Something that the user may not want. The same one is told once."""
        self._add(self.warnings, place, found, allowed, remedy)

    def raise_errors(self) -> None:
        """Raise StoryboardError with every mistake, in the order of the file."""
        if self.errors:
            raise StoryboardError(*self.errors)

    def _add(self, problems: list[Problem], place: PathInFile, found: str, allowed: str, remedy: str) -> None:
        problem = Problem(self.document.where(*place), found, allowed, remedy)
        if problem not in problems:  # an inherited setting is met once for every shot
            problems.append(problem)
