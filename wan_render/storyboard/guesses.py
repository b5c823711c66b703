"""Guesses what a wrong word was meant to be, for a limited number of words: a hostile file has a million of them."""

from __future__ import annotations

from collections.abc import Collection

from wan_render.authored.spelling import meant
from wan_render.printable import shown

MOST_COMPARISONS = 20_000
"""Comparisons of a word with a candidate, for one file. They take about half a second."""


class Guesses:
    """Guesses for one file, until its comparisons are used up."""

    def __init__(self) -> None:
        self._left = MOST_COMPARISONS

    @property
    def spent(self) -> bool:
        """Whether there are no more guesses."""
        return self._left <= 0

    def meant(self, word: str, candidates: Collection[str]) -> str:
        """The candidate that the word most likely stands for, or ""."""
        self._left -= len(candidates)
        return meant(word, candidates) if not self.spent else ""

    def did_you_mean(self, word: str, candidates: Collection[str]) -> str:
        """`did you mean 'dawn'?`, or ""."""
        candidate = self.meant(word, candidates)
        return f"did you mean {shown(candidate)}?" if candidate else ""
