"""Collects mistakes, warnings and notes while a plan is made, so that all of them are reported at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from wan_render.authored import Document, PathInFile, nearest
from wan_render.errors import Problem, StoryboardError
from wan_render.printable import one_line

_Mark = tuple[int, int]

MOST_NAMED = 3
"""Names in a warning that many shots or keyframes share."""


@dataclass
class _Shared:
    """The names that share a warning, each once, the place of the first, and how many are named; None for all."""

    place: PathInFile
    most: int | None
    names: dict[str, None] = field(default_factory=dict)

    @property
    def in_words(self) -> str:
        """`1/010, 1/020, 1/030 and 97 more`."""
        named = tuple(islice(self.names, self.most))
        more = len(self.names) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")


@dataclass
class Findings:
    """What was found in one document, including the mistakes that were found while reading it. After a mistake,
    planning continues with an allowed value."""

    document: Document
    _errors: dict[Problem, _Mark] = field(default_factory=dict)
    _warnings: dict[Problem, _Mark] = field(default_factory=dict)
    _shared: dict[tuple[str, str, str], _Shared] = field(default_factory=dict)
    _notes: dict[Problem, _Mark] = field(default_factory=dict)
    _remarks: dict[str, dict[str, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._errors.update(self.document.mistakes)

    def error(self, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """Add a mistake at a place of the storyboard: there will be no plan. An inherited one is reported once.

        After mistakes in shots, transitions are not reported: they may only be wrong because those shots are missing.
        """
        if self.document.mistakes and place[-1:] == ("transition",):
            return
        self._errors[self._problem(place, found, allowed, remedy)] = self._mark(place)

    def warn(self, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """Add a warning: something that the user may not want. An inherited one is reported once."""
        self._warnings[self._problem(place, found, allowed, remedy)] = self._mark(place)

    def warn_for(self, who: str, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """Add a warning that several share: reported once, at the place of the first, with the first three names."""
        self._shared.setdefault((found, allowed, remedy), _Shared(place, MOST_NAMED)).names[who] = None

    def warn_of_each(self, who: str, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """Like `warn_for`, but with every name: for names that come with details of their own."""
        self._shared.setdefault((found, allowed, remedy), _Shared(place, None)).names[who] = None

    def note(self, place: PathInFile, found: str, allowed: str = "", remedy: str = "") -> None:
        """Add a note: something that is correct but worth knowing. Only `plan --notes` prints notes."""
        self._notes[self._problem(place, found, allowed, remedy)] = self._mark(place)

    def remark(self, take: str, text: str) -> None:
        """Add a text for the take.json of the take with this key. It does not replace a warning or a note."""
        self._remarks.setdefault(take, {})[one_line(text)] = None

    @property
    def mistaken(self) -> bool:
        """Whether there is a mistake."""
        return bool(self._errors)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """In the order of the file."""
        shared = {
            self._problem(one.place, f"{found}: {one.in_words}", allowed, remedy): self._mark(one.place)
            for (found, allowed, remedy), one in self._shared.items()
        }
        return _in_order(self._warnings | shared)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """In the order of the file."""
        return _in_order(self._notes)

    @property
    def remarks(self) -> dict[str, tuple[str, ...]]:
        """Key of a take → the texts for its take.json."""
        return {take: tuple(texts) for take, texts in self._remarks.items()}

    def raise_errors(self) -> None:
        """Raise StoryboardError with every mistake, in the order of the file."""
        if self._errors:
            raise StoryboardError(*_in_order(self._errors))

    def _problem(self, place: PathInFile, found: str, allowed: str, remedy: str) -> Problem:
        """A problem on one line, whatever characters its names contain."""
        return Problem(*(one_line(text) for text in (self.document.where(*place), found, allowed, remedy)))

    def _mark(self, place: PathInFile) -> _Mark:
        return nearest(self.document.marks, place)


def _in_order(problems: dict[Problem, _Mark]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=problems.__getitem__))
