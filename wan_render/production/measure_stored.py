"""Measure takes that are in the store without measurements: those of earlier versions, and of shots that had their
checks off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wan_render.backends import backend, names
from wan_render.errors import MachineError, Problem
from wan_render.media.clip import read_frames
from wan_render.plan import Rendered
from wan_render.production.measure_take import judgeable
from wan_render.quality.measurements import LEAST_FRAMES
from wan_render.render_values import Pixels
from wan_render.status import FilmStatus, measurements_of
from wan_render.store import Clip, Store
from wan_render.store.disk import disk_error


@dataclass(frozen=True)
class UnmeasuredTake:
    """A take that has no measurements yet."""

    shot: str
    number: int
    clip: Clip


def unmeasured_takes(found: FilmStatus, store: Store) -> tuple[UnmeasuredTake, ...]:
    """The film's takes to measure, each clip once."""
    return tuple({take.clip.key: take for take in _unmeasured(found, store)}.values())


def measure_stored(take: UnmeasuredTake, store: Store) -> None:
    """Measure a take and add the result to its take.json. Its clip is only read. A damaged take is set aside.

    Raises MachineError if a file cannot be read or written, ValueError if the record is damaged.
    """
    from wan_render.quality.measuring import measure  # it loads OpenCV, which most commands do without

    clip = store.verify(take.clip.key)
    if clip is None:
        raise MachineError(Problem(str(take.clip.folder), "was damaged, or cannot be read"))
    first, last = (None if file is None else read_plate(file) for file in (clip.first, clip.last))
    found = measure(read_frames(clip.video, 0, clip.frames), first, last)
    name = str(store.record(clip.key).take["backend"]).partition("/")[0]
    made = judgeable(found, backend(name)) if name in names() else found
    store.takes.add_measurements(clip.key, made or found)


def read_plate(file: Path) -> Pixels:
    """A plate next to a clip: (height, width, 3) uint8 RGB. Raises DiskError."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise disk_error(file, error, "read") from error


def _unmeasured(found: FilmStatus, store: Store) -> Iterator[UnmeasuredTake]:
    for shot in found.shots:
        content = shot.planned.content if shot.planned is not None else None
        if not isinstance(content, Rendered) or not content.is_checked:
            continue
        for take in shot.takes:
            if take.clip is None or take.clip.frames < LEAST_FRAMES or measurements_of(store, take.key) is not None:
                continue
            yield UnmeasuredTake(shot.id, take.number, take.clip)
