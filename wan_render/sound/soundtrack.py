"""The sounds of a film as a value: which are heard from when to when, how loud, and the loudness of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from wan_render.keys import ADDED_LATER

RATE = 48_000
"""Samples per second of every mix: that of films and broadcasting."""

LOUDNESS, PEAK = -16.0, -1.5
"""Of a mix, where the storyboard sets nothing: LUFS by EBU R128, and the highest true peak in dBTP."""


@dataclass(frozen=True)
class PlacedSound:
    """One sound on the film's clock. All times are exact seconds, so that they depend on no frame rate.

    source:  SHA-256 of its file, or the key of a sound that was made from words.
    start:   when it begins, from the beginning of the film. A negative part is not heard.
    length:  how long it is heard, from `start` on. A sound that is shorter is silent after its end.
    gain:    in dB. fade_in, fade_out: at the two ends of `length`.
    loop:    whether it begins again at its end.
    duck:    in dB, 0 or less: how much quieter it is while somebody speaks.
    speech:  whether others are ducked under it.
    skip:    what is left out at the beginning of its file, in seconds; each time if it is a loop.
    """

    source: str
    start: Fraction
    length: Fraction
    gain: float = 0.0
    fade_in: Fraction = Fraction(0)
    fade_out: Fraction = Fraction(0)
    loop: bool = False
    duck: float = 0.0
    speech: bool = False
    skip: Fraction = field(default=Fraction(0), metadata=ADDED_LATER)


@dataclass(frozen=True)
class Soundtrack:
    """Everything that is heard in a film. loudness: in LUFS; None leaves the mix as it is. peak: the highest true peak,
    in dBTP."""

    sounds: tuple[PlacedSound, ...]
    loudness: float | None = LOUDNESS
    peak: float = PEAK


def samples(seconds: Fraction) -> int:
    """The nearest whole number of samples, halves up."""
    return (seconds * RATE + Fraction(1, 2)).__floor__()
