"""Subtitles of a film as values."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.authored import SubtitleForm

_IN_WORDS: dict[SubtitleForm, str] = {"burned": "burned in", "files": "beside the film", "track": "a track"}


@dataclass(frozen=True)
class Cue:
    """A text that is shown from `start` to `end`, in exact seconds of the film. who: who says it; "" if nobody does."""

    start: Fraction
    end: Fraction
    text: str
    who: str = ""


@dataclass(frozen=True)
class FilmSubtitles:
    """The cues of a film, by their start; at least one. forms: how the film has them, in the order of the alphabet."""

    cues: tuple[Cue, ...]
    forms: tuple[SubtitleForm, ...]

    @property
    def in_words(self) -> str:
        """`burned in, beside the film`."""
        return ", ".join(_IN_WORDS[form] for form in self.forms)
