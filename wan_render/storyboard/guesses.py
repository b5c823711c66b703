"""What a wrong word was meant to be, within bounds of time: a hostile file has a million wrong words."""

from __future__ import annotations

from collections.abc import Collection

from wan_render.authored.spelling import meant
from wan_render.printable import shown

MOST_COMPARISONS = 20_000
"""Of a word with a candidate, for one file: about half a second."""


class Guesses:
    """Guesses for one file; when its comparisons are spent, there are no more."""

    def __init__(self) -> None:
        self._left = MOST_COMPARISONS

    @property
    def spent(self) -> bool:
        """Whether there are no more."""
        return self._left <= 0

    def meant(self, word: str, candidates: Collection[str]) -> str:
        """The candidate that the word was most likely meant to be, or ""."""
        self._left -= len(candidates)
        return meant(word, candidates) if not self.spent else ""

    def did_you_mean(self, word: str, candidates: Collection[str]) -> str:
        """`did you mean 'dawn'?`, or ""."""
        candidate = self.meant(word, candidates)
        return f"did you mean {shown(candidate)}?" if candidate else ""
