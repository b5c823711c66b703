"""Warns of voices that speak at the same time: a narration outlasts its shot, and the next one begins."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from wan_render.authored import PathInFile
from wan_render.plan.film_plan import PlannedSound
from wan_render.plan.findings import Findings

_BRIEF = Fraction(1, 10)
"""How long two voices may be heard together without a word, in seconds."""


def warn_of_voices_together(sounds: Sequence[tuple[PlannedSound, PathInFile]], findings: Findings) -> None:
    """Warn of every voice that begins while another one is heard. sounds: with their places in the storyboard."""
    voices = sorted((each for each in sounds if each[0].placed.speech), key=lambda each: each[0].placed.start)
    before: PlannedSound | None = None
    for voice, place in voices:
        if before is not None and (both := min(_end(before), _end(voice)) - voice.placed.start) > _BRIEF:
            found = f"{voice.name} is heard together with {before.name} for {float(both):.2f} s"
            findings.warn(place, found, "one voice at a time", "begin later, or make the shot before it longer")
        before = voice if before is None or _end(voice) > _end(before) else before


def _end(sound: PlannedSound) -> Fraction:
    return sound.placed.start + sound.placed.length
