"""How loud a finished mix is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

MOST_LIMITED = 1.0
"""In LU: what the limiter may take from the loudness without being reported."""


@dataclass(frozen=True)
class MixReport:
    """How loud a mix is, and how it became so.

    mixed:   loudness as mixed, in LUFS; -70 for silence. gain: in dB, of the whole.
    limited: what the limiter took from the loudness, in LU.
    loudness, true_peak: of the result, in LUFS and dBTP. true_peak is None for silence.
    """

    mixed: float
    gain: float
    limited: float
    loudness: float
    true_peak: float | None

    @property
    def is_silent(self) -> bool:
        """Whether nothing can be heard."""
        return self.true_peak is None

    @property
    def in_words(self) -> str:
        """`-16.0 LUFS, true peak -1.5 dBTP`, or `silent`."""
        if self.true_peak is None:
            return "silent"
        return f"{self.loudness:.1f} LUFS, true peak {self.true_peak:.1f} dBTP"

    @property
    def warning(self) -> str:
        """What is wrong with the loudness, in a sentence; "" if nothing is."""
        if self.is_silent:
            return "the sound of the film is silent: all of its sounds are"
        if self.limited <= MOST_LIMITED:
            return ""
        return (
            f"the sound is {self.loudness:.1f} LUFS: its peaks had to be lowered so much that {self.limited:.1f} LU "
            "are lost; lower the gain of the sounds with the loudest peaks, or write a lower audio.loudness"
        )


def mix_report(file: Path) -> MixReport:
    """The report of a mix, from its file. Raises OSError, or ValueError for another file."""
    from wan_render.sound.wav_file import wav_comment  # it loads numpy, which planning does without

    return MixReport(**json.loads(wav_comment(file)))
