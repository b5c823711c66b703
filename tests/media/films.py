"""Tiny films, and the frames in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.media.pictures import SMALL, clip, flat
from wan_render.cut import ClipSource, Cut, Event
from wan_render.media.film_encode import make_film
from wan_render.plan import PlannedJoint
from wan_render.render_values import Pixels
from wan_render.take import AnyPlate, Size

CUT, CONTINUOUS = PlannedJoint("cut"), PlannedJoint("continuous")


@dataclass
class Shelf:
    """Clips and pictures by name, as FilmSources. `opened` lists the clips that were opened."""

    folder: Path
    pictures: Mapping[str, Pixels] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def put(self, key: str, pixels: Pixels, rate: Fraction = Fraction(16)) -> ClipSource:
        clip(self.folder / f"{key}.mkv", pixels, rate)
        return ClipSource(key)

    def levels(self, key: str, levels: list[int], size: Size = SMALL) -> ClipSource:
        return self.put(key, flat(levels, size))

    def clip(self, key: str) -> Path:
        self.opened.append(key)
        return self.folder / f"{key}.mkv"

    def picture(self, plate: AnyPlate) -> Pixels:
        return self.pictures[plate.shows]


def cut_of(
    *events: Event,
    rate: Fraction = Fraction(16),
    size: Size = SMALL,
    delivery: Size = SMALL,
    fades: tuple[int, int] = (0, 0),
    title: str = "",
) -> Cut:
    return Cut(title, rate, size, delivery, "cover", *fades, events)


def film(cut: Cut, shelf: Shelf, tags: Mapping[str, str] | None = None) -> Path:
    """Make a film in the folder of the clips."""
    file = shelf.folder / "film.mp4"
    make_film(cut, shelf, file, tags=tags or {}, progress=lambda _done, _total: None)
    return file


def luma(file: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame's luma as coded, (height, width): 16 is black, 235 white."""
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray()[: frame.height].astype(np.uint8)


def levels(file: Path) -> list[float]:
    """The mean level of every frame, 0 to 255."""
    return [(float(picture.mean()) - 16) * 255 / 219 for picture in luma(file)]
