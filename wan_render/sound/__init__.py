"""The sound of a film: reading files, placing sounds, mixing them, and their loudness.

PyAV and numpy are imported only when a file is read or a mix is made. A plan whose facts are cached loads neither.
"""

from __future__ import annotations

from wan_render.sound.sound_facts import SoundFacts, sound_facts
from wan_render.sound.sound_request import NO_MADE_SOUNDS, MadeSounds, SoundRequest
from wan_render.sound.soundtrack import LOUDNESS, PEAK, PlacedSound, Soundtrack, samples

__all__ = [
    "LOUDNESS",
    "NO_MADE_SOUNDS",
    "PEAK",
    "MadeSounds",
    "PlacedSound",
    "SoundFacts",
    "SoundRequest",
    "Soundtrack",
    "samples",
    "sound_facts",
]
