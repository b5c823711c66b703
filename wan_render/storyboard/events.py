"""Text → YAML events. Refuses a file before anything is built from it: too deep, too many values, several documents,
tags, cycles.

libyaml's parser is a state machine and safe on any text. Its composer is recursive and is never called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from wan_render.printable import LONGEST_SHOWN, shortened
from wan_render.storyboard.slips import syntax_error
from wan_render.storyboard.source import Source

DEEPEST = 64
MOST_VALUES = 100_000
"""Keys, values, lists and maps; an alias counts as all that it stands for. A film of 1,000 shots has 20,000."""

MOST_DIRECTIVES = 16
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


def checked_events(source: Source) -> list[Any]:
    """The events of the file's only document. Raises StoryboardError at the first event that is refused."""
    _check_directives(source)
    limits = _Limits(source)
    events = []
    for event in _parsed(source):
        limits.take(event)
        events.append(event)
    if not limits.documents:
        raise source.error(0, "is empty", "a storyboard is a map of keys: version, film, keyframes, shots, …")
    return events


def _check_directives(source: Source) -> None:
    """Refuse many directives: libyaml compares every %TAG line with every other one, which could take minutes."""
    for number, match in enumerate(_DIRECTIVE.finditer(source.text), start=1):
        if number > MOST_DIRECTIVES:
            raise source.error(match.start(), "too many lines that begin with %", "", "delete these lines")


def _parsed(source: Source) -> Iterator[Any]:
    parser = yaml.CSafeLoader(source.text)  # only its C parser is used; it constructs nothing
    try:
        while (event := parser.get_event()) is not None:
            yield event
    except yaml.YAMLError as error:
        raise syntax_error(source, error) from None
    finally:
        parser.dispose()


class _Limits:
    """Counts the values that the events would build.

    weights: the values of each open collection. anchors: the values of each anchored node; None while it is open, since
    an alias to it would be a cycle.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.documents = 0
        self.total = 0
        self.weights: list[int] = []
        self.names: list[str | None] = []
        self.anchors: dict[str, int | None] = {}

    def take(self, event: Any) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._document(event)
            case yaml.AliasEvent():
                self._add(event, self._aliased(event))
            case yaml.ScalarEvent():
                self._check_tag(event)
                self._anchor(event.anchor, 1)
                self._add(event, 1)
            case yaml.CollectionStartEvent():
                self._open(event)
            case yaml.CollectionEndEvent():
                self._close()

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self._error(
                event, "a second document begins here", "a storyboard is one YAML document", "delete '---'"
            )

    def _open(self, event: Any) -> None:
        self._check_tag(event)
        self._anchor(event.anchor, None)
        self.names.append(event.anchor)
        self.weights.append(0)
        self._add(event, 1)
        if len(self.weights) > DEEPEST:
            raise self._error(event, f"lists and maps within each other more than {DEEPEST} deep", "", _BRACKETS)

    def _close(self) -> None:
        weight = self.weights.pop()
        self._anchor(self.names.pop(), weight)
        if self.weights:
            self.weights[-1] += weight

    def _add(self, event: Any, weight: int) -> None:
        self.total += weight
        if self.total > MOST_VALUES:
            raise self._error(
                event, f"more than {MOST_VALUES:,} values, aliases (*name) counted as what they stand for"
            )
        if self.weights:
            self.weights[-1] += weight

    def _anchor(self, name: str | None, weight: int | None) -> None:
        if name is not None:
            self.anchors[name] = weight

    def _aliased(self, event: Any) -> int:
        if event.anchor not in self.anchors:
            name = shortened(event.anchor, LONGEST_SHOWN)
            remedy = f"define it with &{name}, or put a text that begins with * in quotes"
            raise self._error(event, f"*{name} is not defined above", "", remedy)
        weight = self.anchors[event.anchor]
        if weight is None:
            found = f"*{shortened(event.anchor, LONGEST_SHOWN)} is used inside itself"
            raise self._error(event, found, "an alias repeats what is above it")
        return weight

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None:
            found = f"the tag {event.tag[:80]}"
            raise self._error(event, found, "a storyboard has no YAML tags", "put a text that begins with ! in quotes")

    def _error(self, event: Any, found: str, allowed: str = "", remedy: str = "") -> Exception:
        return self.source.error(event.start_mark.index, found, allowed, remedy)


_BRACKETS = "close the brackets that are open"
