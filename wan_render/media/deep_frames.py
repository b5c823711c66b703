"""The film's frames with 16 bits per channel, for deliverables with more than 8 bits.

Takes have 8 bits. What is computed from them here has more: dissolves, fades, and corrections of colour. Rounded to 8
bits, a slow fade shows steps; with 16 bits, and dithered to the 10 of a deliverable, it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wan_render.cut import ColourRamp, Cut
from wan_render.media.frame_layers import Layer
from wan_render.media.raster import FilmSources, View, layered_pictures
from wan_render.render_values import Pixels

FINEST = 65535
_WIDER = 257
"""65535 / 255: an 8-bit level as one of 16 bits, exactly."""

DeepPixels = NDArray[np.uint16]
_Levels = NDArray[np.float32]


def deep_frames(cut: Cut, sources: FilmSources, view: View | None = None) -> Iterator[DeepPixels]:
    """Every film frame: (3, height, width) uint16, the planes green, blue and red, as ffmpeg's gbrp16le; at the cut's
    size, or at that of the view. Raises the errors of `raster_frames`."""
    plain = replace(cut, events=tuple(replace(event, grade=None) for event in cut.events))
    for parts in layered_pictures(plain, sources, view):
        yield _composed(cut, parts)


def _composed(cut: Cut, parts: Sequence[tuple[Pixels, Layer]]) -> DeepPixels:
    ramps = [cut.events[layer.event].grade for _, layer in parts]
    if len(parts) == 1 and parts[0][1].weight == 1 and ramps[0] is None:  # nearly every frame
        return _widened(parts[0][0])
    levels = [
        (_levels(picture, ramp, _part(cut, layer)), float(layer.weight))
        for (picture, layer), ramp in zip(parts, ramps, strict=True)
    ]
    whole = sum(weight for _, weight in levels)
    if cut.dissolves == "linear" and len(levels) > 1 and whole > 0:
        light = sum(_light(picture) * np.float32(weight / whole) for picture, weight in levels)
        return _rounded(_srgb(np.asarray(light, np.float32)) * np.float32(whole))
    return _rounded(np.asarray(sum(picture * np.float32(weight) for picture, weight in levels), np.float32))


def _part(cut: Cut, layer: Layer) -> float:
    """The place in its event, 0 to 1. A hold stays at the end."""
    event = cut.events[layer.event]
    return min(layer.offset, event.frames - 1) / max(event.frames - 1, 1)


def _planes(picture: Pixels) -> Pixels:
    """(height, width, 4) blue, green, red, unused → (3, height, width) green, blue, red. A view."""
    return np.moveaxis(picture[:, :, [1, 0, 2]], -1, 0)


def _widened(picture: Pixels) -> DeepPixels:
    height, width, _ = picture.shape
    wide = np.empty((3, height, width), np.uint16)
    for plane, channel in enumerate((1, 0, 2)):
        np.multiply(picture[:, :, channel], _WIDER, out=wide[plane], dtype=np.uint16)
    return wide


def _levels(picture: Pixels, ramp: ColourRamp | None, part: float) -> _Levels:
    """Levels from 0 to 1, corrected if there is a ramp."""
    levels = _planes(picture).astype(np.float32) / np.float32(255)
    if ramp is None:
        return levels
    correction = ramp.begin.towards(ramp.end, part)
    for plane, channel in enumerate((1, 2, 0)):  # the correction counts red, green, blue
        levels[plane] = levels[plane] * correction.gains[channel] + correction.offsets[channel] / 255
    clipped: _Levels = np.clip(levels, 0, 1)
    return clipped


def _light(levels: _Levels) -> _Levels:
    """Linear light of sRGB levels (IEC 61966-2-1)."""
    steep = ((levels + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(levels <= 0.04045, levels / np.float32(12.92), steep)


def _srgb(light: _Levels) -> _Levels:
    steep = np.float32(1.055) * np.maximum(light, 0) ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(light <= 0.0031308, light * np.float32(12.92), steep)


def _rounded(levels: _Levels) -> DeepPixels:
    return np.rint(np.clip(levels, 0, 1) * FINEST).astype(np.uint16)
