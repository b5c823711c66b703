"""Directions of text: Unicode's bidirectional algorithm (UAX #9), as far as cards and subtitles need it.

Marks (U+200E, U+200F, U+061C) count. Embeddings, overrides and isolates are ignored, as the format has no use for them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

LEFT_TO_RIGHT_MARK, RIGHT_TO_LEFT_MARK = "\u200e", "\u200f"

_IGNORED = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN", "B"})
_NEUTRAL = frozenset({"S", "WS", "ON"})
_BRACKETS_DEEP = 63
"""How many brackets may be open at once; with more, brackets of the line are not paired (BD16)."""


@dataclass
class _Letters:
    """The characters that count, with their types, which the rules change in place."""

    text: str
    types: list[str]
    base: int

    @property
    def outside(self) -> str:
        """The direction of the line's ends."""
        return _direction(self.base)


def has_right_to_left(text: str) -> bool:
    """Whether any character is written from right to left, or needs the algorithm for another reason."""
    return any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text)


def base_level(text: str) -> int:
    """0 for a paragraph that runs from left to right, 1 for the other: its first letter decides (P2, P3)."""
    strong = (kind for character in text if (kind := unicodedata.bidirectional(character)) in ("L", "R", "AL"))
    return int(next(strong, "L") != "L")


@lru_cache(maxsize=4096)
def levels(line: str) -> tuple[int, ...]:
    """The level of every character of a line that is a paragraph of its own: even is left to right."""
    base = base_level(line)
    kinds = [unicodedata.bidirectional(character) or "L" for character in line]
    places = [place for place, kind in enumerate(kinds) if kind not in _IGNORED]
    letters = _Letters("".join(line[place] for place in places), [kinds[place] for place in places], base)
    _resolve(letters)
    found = {place: _level(kind, base) for place, kind in zip(places, letters.types, strict=True)}
    for place in _at_the_end(kinds):
        found[place] = base
    return tuple(_with_ignored(found, len(line), base))


def visual_order(run_levels: Sequence[int]) -> list[int]:
    """The order, from left to right, of runs with these levels (L2)."""
    order = list(range(len(run_levels)))
    for level in range(max(run_levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and run_levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = max(end, start + 1)
    return order


def _resolve(letters: _Letters) -> None:
    _weak_marks(letters)
    _weak_numbers(letters)
    _paired_brackets(letters)
    _neutrals(letters)


def _weak_marks(letters: _Letters) -> None:
    """W1 to W3: marks are as their letters; numbers after Arabic letters are Arabic."""
    types, before, strong = letters.types, letters.outside, letters.outside
    for place, kind in enumerate(types):
        kind = before if kind == "NSM" else kind
        before = kind
        if kind in ("L", "R", "AL"):
            strong = kind
        types[place] = "AN" if kind == "EN" and strong == "AL" else kind
    letters.types = ["R" if kind == "AL" else kind for kind in types]


def _weak_numbers(letters: _Letters) -> None:
    """W4 to W7: separators and signs of numbers; numbers in text from left to right are part of it."""
    types = letters.types
    for place in range(1, len(types) - 1):
        before, kind, after = types[place - 1 : place + 2]
        if before == after and ((kind == "ES" and before == "EN") or (kind == "CS" and before in ("EN", "AN"))):
            types[place] = before
    for start, end in _spans(types, frozenset({"ET"})):
        if "EN" in (*types[start - 1 : start], *types[end : end + 1]):
            types[start:end] = ["EN"] * (end - start)
    strong = letters.outside
    for place, kind in enumerate(types):
        if kind in ("L", "R"):
            strong = kind
        elif kind in ("ES", "ET", "CS"):
            types[place] = "ON"
        elif kind == "EN" and strong == "L":
            types[place] = "L"


def _paired_brackets(letters: _Letters) -> None:
    """N0: a pair of brackets has the direction of what it encloses."""
    for first, last in _pairs(letters):
        found = {_strong(kind) for kind in letters.types[first + 1 : last]} - {""}
        if letters.outside in found:
            _set_bracket(letters, (first, last), letters.outside)
        elif found:
            before = (_strong(kind) for kind in reversed(letters.types[:first]))
            _set_bracket(letters, (first, last), next(filter(None, before), letters.outside))


def _set_bracket(letters: _Letters, places: Iterable[int], direction: str) -> None:
    """Set the direction of brackets, and of the marks on them."""
    for place in places:
        letters.types[place] = direction
        marked = place + 1
        while marked < len(letters.text) and unicodedata.bidirectional(letters.text[marked]) == "NSM":
            letters.types[marked] = direction
            marked += 1


def _pairs(letters: _Letters) -> list[tuple[int, int]]:
    """The pairs of brackets, in the order of their first ones (BD16)."""
    opened: list[tuple[str, int]] = []
    pairs = []
    for place, character in enumerate(letters.text):
        if letters.types[place] != "ON":
            continue
        if closing := _closing(character):
            if len(opened) == _BRACKETS_DEEP:
                return []
            opened.append((closing, place))
        elif any(character == expected for expected, _ in opened):
            while opened:
                expected, start = opened.pop()
                if expected == character:
                    pairs.append((start, place))
                    break
    return sorted(pairs)


def _closing(character: str) -> str:
    """The bracket that closes this one; "" if it opens nothing. Unicode has the two side by side, or one apart."""
    if unicodedata.category(character) != "Ps" or not unicodedata.mirrored(character):
        return ""
    after = (chr(ord(character) + step) for step in (1, 2))
    return next((other for other in after if unicodedata.category(other) == "Pe"), "")


def _neutrals(letters: _Letters) -> None:
    """N1 and N2: what is between two texts of one direction has it, anything else that of the line."""
    types = letters.types
    for start, end in _spans(types, _NEUTRAL):
        before = _strong(types[start - 1]) if start else letters.outside
        after = _strong(types[end]) if end < len(types) else letters.outside
        types[start:end] = [before if before == after else letters.outside] * (end - start)


def _spans(types: Sequence[str], kinds: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Every longest span [start, end) of these kinds."""
    start = 0
    while start < len(types):
        end = start
        while end < len(types) and types[end] in kinds:
            end += 1
        if end > start:
            yield start, end
        start = end + 1


def _strong(kind: str) -> str:
    """The direction of a resolved type: numbers are as text from right to left. "" for neutrals."""
    return "R" if kind in ("R", "EN", "AN") else "L" if kind == "L" else ""


def _direction(level: int) -> str:
    return "R" if level % 2 else "L"


def _level(kind: str, base: int) -> int:
    """I1 and I2."""
    if base % 2:
        return base + (kind in ("L", "EN", "AN"))
    return base + {"R": 1, "EN": 2, "AN": 2}.get(kind, 0)


def _at_the_end(kinds: Sequence[str]) -> Iterator[int]:
    """L1: spaces at the end of the line, and tabs with the spaces before them."""
    trailing = True
    for place in range(len(kinds) - 1, -1, -1):
        trailing = kinds[place] == "S" or (trailing and (kinds[place] == "WS" or kinds[place] in _IGNORED))
        if trailing and kinds[place] not in _IGNORED:
            yield place


def _with_ignored(found: dict[int, int], length: int, base: int) -> Iterator[int]:
    """Levels of all characters: those that do not count are as the one before them."""
    level = base
    for place in range(length):
        level = found.get(place, level)
        yield level
