"""How each frame follows from the one before, with the motion of the picture taken out.

Frames are compared by their structure: luma without the local mean, over the local contrast. A lamp that is switched on
changes the structure little, and a cut changes all of it. Optical flow then explains motion: what remains is content
that was not there before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from wan_render.quality.hue_turns import hues_of, turn_between
from wan_render.quality.samples import Floats, mean_product, mean_square, median_of, without_mean
from wan_render.quality.small_frames import contrast_of, lab_of, luma_of, softened, strongest_change
from wan_render.render_values import Pixels

WINDOW = 6.0
"""Standard deviation in pixels of the neighbourhood whose mean and contrast are taken out."""

LEAST_CONTRAST = 0.006
"""Contrast, samples 0 to 1, that counts as none: 1.5 of 255. In a clip with more contrast it is NOISE_SHARE of that."""

NOISE_SHARE = 0.3

LIGHT_FLOOR = 0.03
"""Contrast that counts as none where light must not count: a lamp that flickers changes what has less."""

LEAST_SPREAD = 0.25
"""Energy of a structure in terms of another one's, below which it is missing and not only in another light."""

SOFT = 1.5
"""Blur in pixels of the pictures that are compared without taking out their contrast."""

UNEXPLAINED = 0.15
"""From here on the flow is tried again from several guesses: shifts of the whole picture, and the motion before."""

MATCHED = 0.5
"""Part of each side in the middle of a picture that is looked for in the next one."""

TRACKED = 0.35
"""A pixel is tracked if the structure differs less."""

LEAST_TRACKED, MOST_BROKEN = 0.3, 0.35
"""Share of tracked pixels below which a step says nothing of colours, and Steps.broken above which it doesn't."""

COLOUR_SOFT = 2.0
"""Blur in pixels of the colours that are compared."""

FEW = 4
"""One place in so many says what is usual."""

RETURNS = 4
"""In so many frames a picture may come back: a flash of one drawing that is held for four."""

BORDER = 0.15
"""Share of each side."""

NEW_PLACE = 0.5
"""A place is new if its colour differs by this share of the picture's contrast."""


@dataclass(frozen=True)
class Steps:
    """The steps between neighbouring frames: arrays of one value per step, or one vector.

    broken: 0 to about 1: how little of the new structure the moved old one explains.
    apart:  the same of the pictures as they are, but for brightness and contrast.
    unlike: how little of the new structure the old one explains without moving it.
    stirred: the change of the structure, over LIGHT_FLOOR, of the places that change most.
    moved:  median length of the flow, in pixels of the small copy.
    new:    0 to 1: share of the picture that the moved old one does not explain.
    new_inside: the same without BORDER, where things come in and go out.
    back:   (steps + 1, RETURNS) how unlike the structures of a frame and of the frames 2, 3, … after it are, without
            moving them; 1 where there are none.
    tint:   (steps, 4) usual change of the colours (colours_of) of the same places; 0 where too little was tracked.
    turned: by which angle the colours of the same places turn, in radians (hue_turns); 0 where too little was tracked.
    seen:   (steps + 1, 4) usual colours of each frame.
    hues:   (steps + 1, BINS) chroma of each frame around the colour circle.
    spread: (steps + 1,) standard deviation of the lightness of each frame.
    """

    broken: Floats
    apart: Floats
    unlike: Floats
    stirred: Floats
    moved: Floats
    new: Floats
    new_inside: Floats
    back: Floats
    tint: Floats
    turned: Floats
    seen: Floats
    hues: Floats
    spread: Floats


def tracked(small: Pixels) -> Steps:
    """small: (frames, height, width, 3) uint8 RGB, at least two frames."""
    floor = max(LEAST_CONTRAST, NOISE_SHARE * _usual_contrast(small))
    tracker = _Tracker(small.shape[1], small.shape[2])
    seen, hues, spread, rows = list[Floats](), list[Floats](), list[float](), list[tuple[Any, ...]]()
    back, last = np.ones((len(small), RETURNS)), list[_Look]()
    for look in (_Look(frame, floor) for frame in small):
        few = look.colours.reshape(-1, 4)[::FEW]
        seen.append(_usual(few))
        hues.append(hues_of(few))
        spread.append(float(cv2.meanStdDev(look.light)[1].max()))
        if last:
            rows.append(tracker.step(last[-1], look))
        for gap, before in enumerate(last[-2::-1]):
            back[len(seen) - 3 - gap, gap] = unlikeness(before.structure, look.structure)
        last = [*last[-RETURNS:], look]
    columns = (np.array(column) for column in zip(*rows, strict=True))
    broken, apart, unlike, stirred, moved, new, inside, tint, turned = columns
    frames = (np.array(seen), np.array(hues), np.array(spread))
    return Steps(broken, apart, unlike, stirred, moved, new, inside, back, tint, turned, *frames)


def colours_of(small: Pixels) -> Floats:
    """(height, width, 4) float32, soft: a and b of Lab, the chroma (their length), and the lightness, 0 to 100."""
    light, a, b = cv2.split(cv2.GaussianBlur(lab_of(small), (0, 0), COLOUR_SOFT))
    return cv2.merge([a, b, cv2.magnitude(a, b), light])


def structure_of(small: Pixels, floor: float = LEAST_CONTRAST) -> Floats:
    """The luma of a small picture without its local mean, over its local contrast; float32, about -3 to 3.

    floor: contrast that counts as none.
    """
    return _over_contrast(*_local(small), floor)


def _local(small: Pixels) -> tuple[Floats, Floats]:
    """The luma of a small picture without its local mean, and its local variance."""
    level = cv2.GaussianBlur(luma_of(small), (0, 0), 0.8)
    mean = cv2.GaussianBlur(level, (0, 0), WINDOW)
    squares = cv2.GaussianBlur(cv2.multiply(level, level), (0, 0), WINDOW)
    return cv2.subtract(level, mean), np.maximum(cv2.subtract(squares, cv2.multiply(mean, mean)), 0)


def _over_contrast(level: Floats, variance: Floats, floor: float) -> Floats:
    return cv2.divide(level, cv2.sqrt(variance + floor**2))


def unlikeness(one: Floats, other: Floats) -> float:
    """How little of a structure another one explains: 0 is the same, 1 unrelated."""
    few = 0.03  # two pictures without any structure are alike
    energies = mean_square(one), mean_square(other)
    spread = max(float(np.sqrt(energies[0] * energies[1])), LEAST_SPREAD * max(energies))
    return 1 - (mean_product(one, other) + few) / (spread + few)


def _usual_contrast(small: Pixels) -> float:
    few = small[:: max(1, len(small) // 8)]
    return float(np.median([luma_of(frame).std() for frame in few]))


def _usual(colours: Floats) -> Floats:
    """Of (places, 4): the median of a and b, the mean of chroma, which a small part may have, and of lightness."""
    a, b, chroma, light = np.ascontiguousarray(colours.T)
    return np.array([median_of(a), median_of(b), chroma.mean(), light.mean()])


class _Look:
    """A frame as it is compared."""

    def __init__(self, frame: Pixels, floor: float) -> None:
        level, variance = _local(frame)
        self.structure = _over_contrast(level, variance, floor)
        self.shape_in_light = _over_contrast(level, variance, LIGHT_FLOOR)
        self.levels = np.clip(128 + 50 * self.structure, 0, 255).astype(np.uint8)
        self.soft = softened(frame, SOFT)
        self.centred = without_mean(self.soft)
        self.colours = colours_of(frame)
        self.light: Floats = cv2.extractChannel(self.colours, 3)


@dataclass(frozen=True)
class _Flow:
    """Where each pixel of a frame was in the one before, from there on (way) and in all (places): (height, width, 2);
    that one's structure, moved there; and Steps.broken."""

    way: Floats
    places: Floats
    structure: Floats
    broken: float


class _Tracker:
    """Optical flow between frames of one size."""

    def __init__(self, height: int, width: int) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
        self._before = (0.0, 0.0)
        self._can_flow = min(height, width) >= 16  # the finest pyramid of the flow needs some pixels
        self._window = cv2.createHanningWindow((width, height), cv2.CV_32F) if self._can_flow else np.zeros(0)

    def step(self, one: _Look, other: _Look) -> tuple[Any, ...]:
        """The fields of Steps for one step: from broken to new_inside, tint, and turned."""
        flow = self._flowing(one, other)
        if self._can_flow:
            for shift in self._guesses(one, other) if flow.broken > UNEXPLAINED else ():
                flow = min(flow, self._flowing(one, other, shift), key=lambda each: each.broken)
        across, down = cv2.split(flow.way)
        self._before = (median_of(across), median_of(down))
        expected = without_mean(_moved(one.soft, flow.places))
        apart, (new, inside) = _centred_apart(expected, other.centred), _new_shares(expected, other.centred)
        tint, turned = _tint(one, other, flow) if flow.broken < MOST_BROKEN else (np.zeros(4), 0.0)
        unlike = unlikeness(one.structure, other.structure)
        stirred = strongest_change(one.shape_in_light, other.shape_in_light)
        return flow.broken, apart, unlike, stirred, median_of(cv2.magnitude(across, down)), new, inside, tint, turned

    def _guesses(self, one: _Look, other: _Look) -> Iterator[tuple[float, float]]:
        """Where the whole picture may have been: by its structure, by its light, by its middle, and as before."""
        light, other_light = one.light, other.light
        for pair in ((other.structure, one.structure), (other_light, light)):
            (across, down), _ = cv2.phaseCorrelate(*pair, self._window)
            yield across, down
        height, width = light.shape
        top, left = (int(side * (1 - MATCHED) / 2) for side in (height, width))
        middle = other_light[top : height - top, left : width - left]
        _, _, _, (column, row) = cv2.minMaxLoc(cv2.matchTemplate(light, middle, cv2.TM_CCOEFF_NORMED))
        yield float(column - left), float(row - top)
        yield self._before

    def _flowing(self, one: _Look, other: _Look, shift: tuple[float, float] = (0.0, 0.0)) -> _Flow:
        """Where each pixel of the other frame was in the first one, from a first guess."""
        way: Floats = np.empty((*one.levels.shape, 2), np.float32)
        way[:] = shift
        if self._can_flow:
            way = np.asarray(self._flow.calc(other.levels, one.levels, way))
        places = cv2.add(self._places, way)
        structure = _moved(one.structure, places)
        return _Flow(way, places, structure, unlikeness(structure, other.structure))


def _moved(picture: Floats, places: Floats) -> Floats:
    return cv2.remap(picture, places, _IN_PLACES, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


_IN_PLACES: Any = None
"""OpenCV takes None for a second map; its types do not say so."""


def _tint(one: _Look, other: _Look, flow: _Flow) -> tuple[Floats, float]:
    """Steps.tint and .turned."""
    kept = np.flatnonzero(cv2.absdiff(flow.structure, other.structure) < TRACKED)
    if kept.size < LEAST_TRACKED * flow.structure.size:
        return np.zeros(4), 0.0
    before, after = (each.reshape(-1, 4)[kept[::FEW]] for each in (_moved(one.colours, flow.places), other.colours))
    return _usual(after - before), turn_between(before, after)


def pictures_apart(one: Floats, other: Floats) -> float:
    """1 less the correlation of two pictures, each (height, width, 3). One without contrast is unlike any other."""
    return _centred_apart(without_mean(one), without_mean(other))


def _centred_apart(one: Floats, other: Floats) -> float:
    energies = mean_square(one), mean_square(other)
    none = LEAST_CONTRAST**2
    spread = max(np.sqrt(energies[0] * energies[1]), 0.1 * max(energies))
    return 1 - (mean_product(one, other) + none) / (float(spread) + none)


def _new_shares(expected: Floats, other: Floats) -> tuple[float, float]:
    """How much of the picture is not what was expected, 0 to 1, and how much of it without its BORDER. Both pictures
    are without their mean."""
    contrast = max(contrast_of(expected), contrast_of(other), LEAST_CONTRAST)
    red, green, blue = cv2.split(cv2.absdiff(expected, other))
    is_new = cv2.max(cv2.max(red, green), blue) > NEW_PLACE * contrast
    rows, columns = (int(BORDER * side) for side in is_new.shape)
    inside = is_new[rows : is_new.shape[0] - rows, columns : is_new.shape[1] - columns]
    return float(is_new.mean()), float(inside.mean())
