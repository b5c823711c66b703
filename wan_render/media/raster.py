"""The film's frames at the raster, in the stored form (bgr0), one at a time.

Most frames pass through as decoded. Only the frames of dissolves and fades are computed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Protocol

import numpy as np

from wan_render.cut import ClipSource, ColourRamp, Cut, Event, SlateSource
from wan_render.errors import MachineError, Problem
from wan_render.footage.footage_part import FootagePart
from wan_render.media.clip import read_stored
from wan_render.media.frame_layers import Layer, film_layers
from wan_render.media.linear_light import mixed_light
from wan_render.plan import CardText, StillPicture
from wan_render.render_values import Pixels
from wan_render.take import AnyPlate, Size

SLATE_GREY = 40
"""A slate is grey because black could be intended."""


class FilmSources(Protocol):
    """Provides the clips and stills of a cut."""

    def clip(self, key: str) -> Path:
        """The file of a finished take."""

    def picture(self, plate: AnyPlate) -> Pixels:
        """A fitted picture: (height, width, 3) uint8 RGB at the plate's size."""


@dataclass(frozen=True)
class SourcesWithOwnClips:
    """The sources of a cut, of which some clips were made again: conformed or retimed. files: their keys → files."""

    others: FilmSources
    files: Mapping[str, Path]

    def clip(self, key: str) -> Path:
        """The file of a clip that was made again, or of a finished take."""
        return self.files.get(key) or self.others.clip(key)

    def picture(self, plate: AnyPlate) -> Pixels:
        """A fitted picture."""
        return self.others.picture(plate)


class View(Protocol):
    """What is seen of an event's picture, such as a crop of it."""

    def __call__(self, picture: Pixels, layer: Layer) -> Pixels:
        """That part of a frame of an event; of one size for all of the film."""


def raster_frames(cut: Cut, sources: FilmSources, view: View | None = None) -> Iterator[Pixels]:
    """Every film frame: (height, width, 4) uint8 blue, green, red, unused, at the cut's size; with a view, at that of
    the view. Do not modify the arrays.

    Raises MachineError if a clip is too short or has another size.
    """
    for pictures in layered_pictures(cut, sources, view):
        yield composed(pictures, linear=cut.dissolves == "linear")


def layered_pictures(cut: Cut, sources: FilmSources, view: View | None = None) -> Iterator[list[tuple[Pixels, Layer]]]:
    """What every film frame is composed of: pictures like those of `raster_frames`, and their weights. Raises the
    errors of `raster_frames`."""
    running: dict[int, Iterator[Pixels]] = {}
    for layers in film_layers(cut):
        for ended in running.keys() - {layer.event for layer in layers}:
            del running[ended]
        for layer in layers:
            if layer.event not in running:
                running[layer.event] = _event_frames(cut, cut.events[layer.event], sources)
        pictures = [(next(running[layer.event]), layer) for layer in layers]
        yield pictures if view is None else [(view(picture, layer), layer) for picture, layer in pictures]


def _event_frames(cut: Cut, event: Event, sources: FilmSources) -> Iterator[Pixels]:
    """The frames of an event, then its last one for the length of its hold."""
    last: Pixels | None = None
    for at, source in enumerate(_source_frames(cut.size, event, sources)):
        last = _of_size(source, cut.size, event)
        if event.grade is not None:
            last = colour_corrected(last, event.grade, at / max(event.frames - 1, 1))
        yield last
    if last is not None:
        yield from repeat(last, event.hold)


def colour_corrected(picture: Pixels, ramp: ColourRamp, part: float) -> Pixels:
    """A picture (blue, green, red, unused) with the correction at a place of its event, 0 to 1. A new array."""
    import cv2

    correction = ramp.begin.towards(ramp.end, part)
    levels = np.arange(256)[:, None] * [*reversed(correction.gains), 1.0] + [*reversed(correction.offsets), 0.0]
    table = np.rint(np.clip(levels, 0, 255)).astype(np.uint8).reshape(1, 256, 4)
    return cv2.LUT(picture, table).astype(np.uint8, copy=False)


def _source_frames(size: Size, event: Event, sources: FilmSources) -> Iterator[Pixels]:
    if event.rate is not None:
        raise ValueError(f"{event.name} has {event.rate} frames per second: it must be retimed first")
    if event.pace is not None:
        raise ValueError(f"{event.name} has a pace of its own: it must be retimed first")
    match event.source:
        case ClipSource(key):
            return read_stored(sources.clip(key), event.first, event.frames)
        case FootagePart():
            raise ValueError(f"{event.name} is a video file: it must be conformed first")
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


def composed(parts: list[tuple[Pixels, Layer]], *, linear: bool = False) -> Pixels:
    """The weighted sum of pictures, rounded once, to the nearest level.

    linear: mix several pictures as light. What the weights lack to 1 is a fade to black, which stays one of levels.
    """
    whole = sum(layer.weight for _, layer in parts)
    if linear and len(parts) > 1 and whole > 0:
        mixed = mixed_light([(picture, float(layer.weight)) for picture, layer in parts])
        return mixed if whole == 1 else _sum(mixed, Fraction(whole), mixed, Fraction(0))
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
