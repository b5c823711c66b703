"""Sounds of the storyboard that are made from words → what is asked of which maker."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.authored import PathInFile, Sound, Storyboard
from wan_render.errors import Problem
from wan_render.sound import MadeSounds, SoundRequest
from wan_render.sound.sound_request import PROMPT_SECONDS

DEFAULT_SEED = 1


@dataclass(frozen=True)
class AskedSound:
    """A sound from words that is not made yet.

    place: in the storyboard. request: None if this machine has no maker that it could name. why: what keeps this
    machine from making it. decides_length: whether its shot is as long as it.
    """

    place: PathInFile
    name: str
    request: SoundRequest | None
    why: Problem | None = None
    decides_length: bool = False


def asked_sound(written: Sound, place: PathInFile, made: MadeSounds, written_rate: Fraction) -> AskedSound:
    """What is asked for a sound that has `prompt` or `say`."""
    is_speech = written.say is not None
    maker = made.maker("speech" if is_speech else "sound", written.tool or "")
    if isinstance(maker, Problem):
        return AskedSound(place, written.name, None, maker)
    seconds = PROMPT_SECONDS if written.for_ is None or written.loop else written.for_.at(written_rate)
    request = SoundRequest(
        kind="speech" if is_speech else "sound",
        text=written.say or written.prompt or "",
        maker=maker,
        voice=written.voice or "",
        seed=DEFAULT_SEED if written.seed is None else written.seed,
        seconds=None if is_speech else seconds,
    )
    return AskedSound(place, written.name, request)


def has_sounds_from_words(storyboard: Storyboard) -> bool:
    """Whether any sound is made from words."""
    audio, scenes = storyboard.audio, storyboard.scenes
    lists = [audio.music, audio.narration, *(scene.sound for scene in scenes)]
    lists += [sounds for scene in scenes for shot in scene.shots for sounds in (shot.sound, shot.narration)]
    return any(sound.file is None for sounds in lists for sound in sounds)
