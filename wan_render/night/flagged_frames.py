"""Pictures of ends and joints that were flagged, side by side. The film's own page has made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wan_render.night.night_record import FilmEntry, ShotEntry
from wan_render.report.material import FOLDER


@dataclass(frozen=True)
class FramePair:
    """Two pictures that should look alike, with a caption each. Paths are relative to the night's folder."""

    left: str
    right: str
    left_caption: str
    right_caption: str


def flagged_frames(folder: Path, film: FilmEntry, number: int, shot: ShotEntry) -> Iterator[FramePair]:
    """The pairs of a shot. folder: the night's. number: place of the shot in the film, from 1."""
    if not film.folder:
        return
    path = f"{film.folder}/{FOLDER}"
    found = {name.lstrip("0"): f"{path}/{name}" for name in _names(folder / path)}
    for end in ("first", "last"):
        stem = f"{number}-take-{shot.take}-{end}"
        if (keyframe := found.get(f"{stem}-keyframe.jpg")) and (frame := found.get(f"{stem}.jpg")):
            yield FramePair(keyframe, frame, "keyframe", f"{end} frame")
    if (before := found.get(f"{number}-seam-before.jpg")) and (after := found.get(f"{number}-seam-after.jpg")):
        yield FramePair(before, after, f"last frame of {shot.id}", "first frame of the next shot")


def _names(folder: Path) -> list[str]:
    try:
        return [file.name for file in folder.iterdir() if file.name[0].isdecimal()]
    except OSError:
        return []
