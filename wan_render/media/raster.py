"""The film's frames at the raster, in the stored form (bgr0), one at a time.

Most frames pass through as decoded. Only the frames of dissolves and fades are computed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Protocol

import numpy as np

from wan_render.cut import ClipSource, Cut, Event, SlateSource
from wan_render.errors import MachineError, Problem
from wan_render.media.clip import read_stored
from wan_render.media.frame_layers import Layer, film_layers
from wan_render.plan import CardText, StillPicture
from wan_render.render_values import Pixels
from wan_render.take import AnyPlate, Size

SLATE_GREY = 40
"""A slate is grey because black could be intended."""


class FilmSources(Protocol):
    """Provides the clips and stills of a cut."""

    def clip(self, key: str) -> Path:
        """The file of a finished take."""
        ...

    def picture(self, plate: AnyPlate) -> Pixels:
        """A fitted picture: (height, width, 3) uint8 RGB at the plate's size."""
        ...


def raster_frames(cut: Cut, sources: FilmSources) -> Iterator[Pixels]:
    """Every film frame: (height, width, 4) uint8 blue, green, red, unused, at the cut's size. Do not modify the arrays.

    Raises MachineError if a clip is too short or has another size.
    """
    running: dict[int, Iterator[Pixels]] = {}
    for layers in film_layers(cut):
        for ended in running.keys() - {layer.event for layer in layers}:
            del running[ended]
        for layer in layers:
            if layer.event not in running:
                running[layer.event] = _event_frames(cut, cut.events[layer.event], sources)
        yield composed([(next(running[layer.event]), layer) for layer in layers])


def _event_frames(cut: Cut, event: Event, sources: FilmSources) -> Iterator[Pixels]:
    """The frames of an event, then its last one for the length of its hold."""
    last: Pixels | None = None
    for last in _source_frames(cut.size, event, sources):
        yield _of_size(last, cut.size, event)
    if last is not None:
        yield from repeat(last, event.hold)


def _source_frames(size: Size, event: Event, sources: FilmSources) -> Iterator[Pixels]:
    match event.source:
        case ClipSource(key):
            return read_stored(sources.clip(key), event.first, event.frames)
        case StillPicture(plate):
            return repeat(_from_rgb(sources.picture(plate)), event.frames)
        case CardText():
            return repeat(_grey(size, 0), event.frames)
        case SlateSource():
            return repeat(_grey(size, SLATE_GREY), event.frames)


def _of_size(picture: Pixels, size: Size, event: Event) -> Pixels:
    height, width, _ = picture.shape
    if (width, height) != (size.width, size.height):
        raise MachineError(Problem(event.name or "a title", f"is {width}x{height}", f"the film's raster is {size}"))
    return picture


def _from_rgb(picture: Pixels) -> Pixels:
    import cv2

    return cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGRA).astype(np.uint8, copy=False)


def _grey(size: Size, level: int) -> Pixels:
    return np.full((size.height, size.width, 4), level, np.uint8)


def composed(parts: list[tuple[Pixels, Layer]]) -> Pixels:
    """The weighted sum of pictures, rounded once, to the nearest level."""
    match [(picture, layer.weight) for picture, layer in parts]:
        case [(picture, weight)] if weight == 1:
            return picture
        case [(picture, weight)]:
            return _sum(picture, weight, picture, Fraction(0))
        case [(below, weight_below), (above, weight_above)]:
            return _sum(below, weight_below, above, weight_above)
        case several:
            total = sum(picture.astype(np.float64) * float(weight) for picture, weight in several)
            return np.rint(total).astype(np.uint8)


def _sum(below: Pixels, weight_below: Fraction, above: Pixels, weight_above: Fraction) -> Pixels:
    import cv2

    mixed = cv2.addWeighted(below, float(weight_below), above, float(weight_above), 0)
    return mixed.astype(np.uint8, copy=False)
