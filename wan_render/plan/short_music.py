"""Warns of music that ends long before the film does."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from wan_render.authored import PathInFile
from wan_render.plan.film_plan import PlannedSound
from wan_render.plan.findings import Findings

_SILENCE = Fraction(1)
"""How long a film may go on without its music before anybody asks, in seconds."""


def warn_of_short_music(
    sounds: Sequence[tuple[PlannedSound, PathInFile]], film_end: Fraction, findings: Findings
) -> None:
    """Warn if the last music ends before the film, and no `for` says that it should. sounds: with their places in the
    storyboard. film_end: in seconds."""
    music = [(sound, place) for sound, place in sounds if sound.kind == "music"]
    if not music:
        return
    last, place = max(music, key=lambda each: _end(each[0]))
    at = place[-1]
    is_meant = isinstance(at, int) and findings.document.storyboard.audio.music[at].for_ is not None
    if is_meant or film_end - _end(last) <= _SILENCE:
        return
    found = f"{last.name} ends at {float(_end(last)):.2f} s, and the film at {float(film_end):.2f} s"
    findings.warn(place, found, "", "write loop: true, or more music; `for` says that it should end there")


def _end(sound: PlannedSound) -> Fraction:
    return sound.placed.start + sound.placed.length
