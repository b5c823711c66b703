"""Colours that wander off: the same places of the picture change their colour or their saturation.

Two witnesses must agree: places that are followed through the clip, whose errors add up, and the frames as they are,
which change when the camera turns. A lamp changes lightness more than colours, and nothing is said of such frames.
Fog takes contrast together with the colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wan_render.quality.hue_turns import turns_of_frames
from wan_render.quality.noise import LASTS, lasting_values
from wan_render.quality.samples import Floats
from wan_render.quality.tracking import Steps

LEAST_LAMP, FULL_LAMP = 12.0, 36.0
"""Change of lightness, 0 to 100, from which on light begins to explain colours, and explains them altogether."""

LEAST_LIGHT = 2.0
"""Lightness that counts as none, 0 to 100."""

LEAST_SPREAD = 1.0
"""Standard deviation of the lightness that counts as none, 0 to 100."""

WHITE_LIGHT = 100.0
"""Lightness of white, which has no colour."""

STAYS = 0.2
"""Share of the clip in which colours stay away at least: what passes close by brings its own for a moment."""


@dataclass(frozen=True)
class DriftMeasures:
    """How far the colours go away, and the frame.

    colour: distance of a and b in Lab: of the usual colour, or of colours of the usual chroma whose hue turned.
    chroma: difference of the chroma in Lab, which tells of saturation where colours are opposite.
    """

    colour: float
    colour_at: int
    chroma: float
    chroma_at: int


def drift_measures(steps: Steps, *, is_held: bool) -> DriftMeasures:
    """is_held: the clip ends on a keyframe, so that the way from the first colours to the last is meant, at any pace.
    Else no change is."""
    followed = steps.seen[0] + np.concatenate([np.zeros((1, 4)), np.cumsum(steps.tint, axis=0)])
    paths = (followed, steps.seen)
    lamp = np.min([np.abs(_beyond(path[:, 3], is_held)) for path in paths], axis=0)
    unexplained = np.clip(1 - (lamp - LEAST_LAMP) / (FULL_LAMP - LEAST_LAMP), 0, 1)
    veil = np.minimum(1, steps.spread / max(float(steps.spread[0]), LEAST_SPREAD))
    colours = [path[:, :2] - expected for path in paths for expected in _expected_colours(path, veil)]
    long = max(LASTS, int(STAYS * len(steps.seen)))
    away = lasting_values(np.min([_off_the_way(each, is_held) for each in colours], axis=0) * unexplained, long)
    colour = np.maximum(away, _turned(steps, is_held) * unexplained)
    one, other = (_beyond(_chroma_apart(path, veil), is_held) for path in paths)
    chroma = np.where(one * other > 0, np.minimum(np.abs(one), np.abs(other)), 0) * unexplained
    chroma = lasting_values(chroma, long)
    colour_at, chroma_at = int(colour.argmax()), int(chroma.argmax())
    return DriftMeasures(float(colour[colour_at]), colour_at, float(chroma[chroma_at]), chroma_at)


def _turned(steps: Steps, is_held: bool) -> Floats:  # noqa: FBT001 - as below
    """The distance of colours of each frame's usual chroma that turned as far as both witnesses say, in three frames
    in a row. Beyond a step that cannot be followed the places are others, and say nothing."""
    is_followed = np.cumprod(np.concatenate([[1.0], steps.turned != 0]))
    turns = (np.concatenate([[0.0], np.cumsum(steps.turned)]) * is_followed, turns_of_frames(steps.hues))
    one, other = (_beyond(turn, is_held) for turn in turns)
    angle = np.where(one * other > 0, np.minimum(np.abs(one), np.abs(other)), 0)
    chroma = np.minimum(steps.seen[:, 2], steps.seen[0, 2])
    return lasting_values(2 * chroma * np.sin(np.minimum(angle, np.pi) / 2))


def _lit(path: Floats, count: int, light: Floats | None = None) -> Floats:
    """The first colours in the light of each frame: they grow as L + 16 does (CIE 1976). count: how many of them.
    light: in terms of the first frame's, instead of that."""
    if light is None:
        light = (np.maximum(path[:, 3], 0) + 16) / (path[0, 3] + 16)
    return np.asarray(path[0, :count] * light[:, None])


def _light_alone(path: Floats) -> Floats:
    """The lightness of each frame in terms of the first one's."""
    return np.asarray(np.maximum(path[:, 3], LEAST_LIGHT) / max(float(path[0, 3]), LEAST_LIGHT))


def _glare(path: Floats) -> Floats:
    """What is left of the first frame's colours where the light makes them nearly white."""
    left = np.clip(WHITE_LIGHT - path[:, 3], 0, None) / max(WHITE_LIGHT - float(path[0, 3]), LEAST_LIGHT)
    return np.asarray(np.minimum(1, left))


def _expected_colours(path: Floats, veil: Floats) -> Iterator[Floats]:
    """The first a and b as they are, and in each frame's light, in the dark, in fog, and in glare."""
    yield path[0, :2]
    for light in (None, _light_alone(path), veil, _glare(path)):
        yield _lit(path, 2, light)


def _chroma_apart(path: Floats, veil: Floats) -> Floats:
    """How far the chroma is from what the light makes of the first one, or fog, which takes contrast as well, or glare.
    In the dark it grows faster than L + 16 does, up to as fast as L itself."""
    chroma = np.maximum(path[:, 2], 0)
    expected = [_lit(path, 3, light)[:, 2] for light in (None, veil, _light_alone(path), _glare(path))]
    low, high = np.min(expected, axis=0), np.max([expected[0], expected[2]], axis=0)
    return np.asarray(chroma - np.clip(chroma, low, high))


def _off_the_way(path: Floats, is_held: bool) -> Floats:  # noqa: FBT001 - as above
    """The distance of each point, (frames, 2), from the straight way between the first and the last."""
    length = float((path[-1] ** 2).sum())
    part = np.clip(path @ path[-1] / length, 0, 1) if is_held and length > 0 else np.zeros(len(path))
    return np.asarray(np.linalg.norm(path - part[:, None] * path[-1], axis=1))


def _beyond(path: Floats, is_held: bool) -> Floats:  # noqa: FBT001 - as above
    """How far each value, (frames,), is outside of what lies between the first and the last."""
    low, high = (min(path[0], path[-1]), max(path[0], path[-1])) if is_held else (path[0], path[0])
    return np.asarray(path - np.clip(path, low, high))
