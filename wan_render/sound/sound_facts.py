"""The facts of a sound file. It is decoded completely once; then its facts are cached by content."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from wan_render.errors import InputError, Problem
from wan_render.facts import FactCache
from wan_render.sound.soundtrack import RATE

KIND = "sound/2"
"""The kind under which facts are cached. Its number goes up whenever the facts of a sound change."""

_LAYOUTS = {1: "mono", 2: "stereo"}

SILENCE = 1e-5
"""The highest sample of a silent sound: -100 dB."""


@dataclass(frozen=True)
class SoundFacts:
    """A usable sound.

    digest:   SHA-256 of the file's bytes.
    samples:  at 48 kHz. form: `mp3, 44.1 kHz, mono`. peak: its highest sample; 1 is full scale.
    streams:  how many sounds the file has. The first is used.
    """

    digest: str
    samples: int
    form: str
    peak: float
    streams: int

    @property
    def seconds(self) -> Fraction:
        """Its length."""
        return Fraction(self.samples, RATE)

    @property
    def is_silent(self) -> bool:
        """Whether nothing can be heard in it."""
        return self.peak < SILENCE


def sound_facts(file: Path, cache: FactCache) -> SoundFacts:
    """The facts of a sound. Decodes it completely unless its bytes are known.

    Raises InputError for any file that cannot be heard: missing, not a file, without sound, cut off, damaged, too long.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise InputError(Problem(str(file), "is not a file", "a sound file"))
        digest, known = cache.inspected(KIND, file, _inspect)
    except OSError as error:
        found = f"cannot be read ({error.strerror or error})"
        raise InputError(Problem(str(file), found, "", "check its name and its permissions")) from error
    return SoundFacts(digest, known["samples"], known["form"], known["peak"], known["streams"])


def _inspect(file: Path) -> dict[str, Any]:
    import numpy as np

    from wan_render.sound.sound_reader import opened_sound, read_sound

    with opened_sound(file) as (container, stream):
        context, streams = stream.codec_context, len(container.streams.audio)
        layout = _LAYOUTS.get(context.channels, context.layout.name)
        form = f"{context.codec.name}, {context.sample_rate / 1000:g} kHz, {layout}"
    samples, peak = 0, 0.0
    for block in read_sound(file):
        if not np.isfinite(block).all():
            found = f"has samples that are no numbers, from {samples / RATE:.2f} s on"
            raise InputError(Problem(str(file), found, "", "write it again"))
        samples += len(block)
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
    return {"samples": samples, "form": form, "peak": peak, "streams": streams}
