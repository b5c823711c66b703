"""The sounds of a film as stems: one file for each, which begins on a frame of the timeline.

A stem has the sound's gain, fades and loops, and is silent until the sound begins, so the sound keeps its exact sample.
It is not ducked, and the loudness of the mix is not set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from wan_render.editors.editor_timeline import EditorMedia, EditorSound
from wan_render.errors import InputError, Problem, UsageError
from wan_render.plan import FilmPlan
from wan_render.sound import PlacedSound, Soundtrack, samples
from wan_render.sound.mixing import mixed
from wan_render.sound.wav_file import write_wav
from wan_render.store.disk import disk_errors, file_digest


@dataclass(frozen=True)
class SoundPiece:
    """A stem to write. name: the stem of its file. track: one sound, on the stem's own clock. length: in samples."""

    name: str
    track: Soundtrack
    length: int


@dataclass(frozen=True)
class Stems:
    """The sounds of a timeline, and their files."""

    sounds: tuple[EditorSound, ...] = ()
    pieces: tuple[SoundPiece, ...] = ()


def stems(track: Soundtrack | None, plan: FilmPlan, rate: Fraction, frames: int, folder: str | None) -> Stems:
    """The stems of a soundtrack on a timeline of `frames` frames. folder: of the files to write, relative to the
    document; None if none are written."""
    sounds: list[EditorSound] = []
    pieces: list[SoundPiece] = []
    for number, placed in enumerate(track.sounds if track is not None else (), start=1):
        first = int(max(Fraction(0), placed.start) * rate)
        end = min(frames, ceil((placed.start + placed.length) * rate))
        if end <= first:
            continue
        kind, written = _named(plan, placed)
        name = f"{plan.slug}_{kind}{number:02}"
        alone = replace(placed, start=placed.start - first / rate, duck=0.0, speech=False)
        pieces.append(SoundPiece(name, Soundtrack((alone,), None), samples((end - first) / rate)))
        file, generator = (f"{folder}/{name}.wav", {}) if folder is not None else ("", {"kind": kind, "text": written})
        media = EditorMedia(name, kind, end - first, file, generator, metadata=_metadata(placed, kind, written))
        sounds.append(EditorSound(written, first, end - first, _lane(kind, first, sounds), media))
    return Stems(tuple(sounds), tuple(pieces) if folder is not None else ())


def _named(plan: FilmPlan, placed: PlacedSound) -> tuple[str, str]:
    """What kind of sound it is, and its name in the storyboard."""
    planned = next((sound for sound in plan.sounds if sound.placed == placed), None)
    return (planned.kind, planned.name) if planned is not None else ("sound", placed.source[:8])


def _lane(kind: str, first: int, before: Sequence[EditorSound]) -> str:
    """The first track of this kind that is free."""
    number = 1
    while any(sound.lane == f"{kind} {number}" and sound.end > first for sound in before):
        number += 1
    return f"{kind} {number}"


def _metadata(placed: PlacedSound, kind: str, written: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "file": Path(written).name,
        "sha256": placed.source,
        "start_seconds": float(placed.start),
        "seconds": float(placed.length),
        "gain_db": placed.gain,
        "duck_db": placed.duck,
        "loop": placed.loop,
    }


def require_sounds(track: Soundtrack | None, files: Mapping[str, Path]) -> None:
    """Raise UsageError if a sound of the film is gone, or is another one now."""
    for source in dict.fromkeys(sound.source for sound in (track.sounds if track is not None else ())):
        if (problem := _lost(source, files)) is not None:
            raise UsageError(problem)


def _lost(source: str, files: Mapping[str, Path]) -> Problem | None:
    remedy = "put the file back, or render the film again"
    if source not in files:
        return Problem(f"sound {source[:8]}", "is in the film, but no longer in the storyboard", "", remedy)
    try:
        changed = file_digest(files[source]) != source
    except OSError as error:
        return Problem(str(files[source]), f"cannot be read: {error.strerror}", "the sound of the film", remedy)
    return Problem(str(files[source]), "was changed since the film was made", "", remedy) if changed else None


def write_stem(piece: SoundPiece, files: Mapping[str, Path], target: Path) -> None:
    """Write a stem (WAV, 48 kHz, stereo, 32-bit float). Raises DiskError, and UsageError for a sound that cannot be
    read."""
    try:
        with disk_errors(target):
            write_wav(target, _blocks(piece, files), piece.length, piece.name)
    except InputError as error:
        raise UsageError(*error.problems) from error


def _blocks(piece: SoundPiece, files: Mapping[str, Path]) -> Iterator[Any]:
    return mixed(piece.track, files, piece.length)
