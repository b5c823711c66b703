"""Rules between the keys of a sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wan_render.authored import PathInFile
from wan_render.storyboard.mistakes import Mistakes

SOURCES = ("file", "prompt", "say")
_ALLOWED = "one of file, prompt, say"
_NEEDS = {"voice": ("say",), "tool": ("prompt", "say"), "seed": ("prompt", "say")}
"""Keys that only have an effect beside one of others."""


def check_sounds(data: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Check that each sound is a file, or made from words in one way."""
    for path, sound in _sounds(data):
        has = {key for key in (*SOURCES, *_NEEDS) if key in sound or mistakes.has((*path, key))}
        sources = [key for key in SOURCES if key in has]
        if not sources and not mistakes.meant & {(*path, key) for key in SOURCES}:
            mistakes.add(path, "neither file, prompt nor say", _ALLOWED, "add a file")
        elif len(sources) > 1:
            mistakes.add(path, f"both {sources[0]} and {sources[1]}", _ALLOWED, "delete one")
        if isinstance(words := sound.get("prompt"), str) and not words.strip():
            mistakes.add((*path, "prompt"), "nothing to hear", "expected words", "write what is to be heard")
        for key, others in _NEEDS.items():
            if key in has and sources and not has.intersection(others):
                mistakes.add((*path, key), f"{key!r} without {' or '.join(map(repr, others))}", "", f"delete {key!r}")


def _sounds(data: Mapping[str, Any]) -> Iterator[tuple[PathInFile, Mapping[str, Any]]]:
    for path, holder in _holders(data):
        for key in ("sound", "music", "narration"):
            for at, sound in enumerate(holder.get(key) or ()):
                if isinstance(sound, dict):
                    yield (*path, key, at), sound


def _holders(data: Mapping[str, Any]) -> Iterator[tuple[PathInFile, Mapping[str, Any]]]:
    """The maps that have sounds: of the film, scenes and shots."""
    if isinstance(audio := data.get("audio"), dict):
        yield ("audio",), audio
    for at, scene in enumerate(data["scenes"]):
        if isinstance(scene, dict):
            yield ("scenes", at), scene
            for place, shot in enumerate(scene.get("shots") or ()):
                if isinstance(shot, dict):
                    yield ("scenes", at, "shots", place), shot
