"""A shot without a picture: slowly drifting colours, with a palette that depends on the prompt.

It does not predict the model's picture. It stands for the shot's place and length in the film.
"""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.backends.animatic.camera import moments
from wan_render.keys import content_key
from wan_render.render_values import Pixels
from wan_render.take import Take

_COARSE = 8
"""The lights are soft, so they are drawn at an eighth of the size and enlarged."""


@dataclass(frozen=True)
class Light:
    """A soft light on a slow ellipse. Lengths are in picture heights, angles in radians; colour is linear 0…1."""

    colour: tuple[float, float, float]
    right: float
    down: float
    radius: float
    orbit: float
    angle: float
    turn: float


def drift(take: Take) -> Iterator[Pixels]:
    """The frames. The palette depends on the prompt; the arrangement and the motion also on the seed."""
    ground, lights = _palette(take), _lights(take)
    grain = _grain(take)
    for time in moments(take.frames):
        yield _drawn(take, ground, lights, grain, time)


def _palette(take: Take) -> list[tuple[float, float, float]]:
    """The colours of the ground and of the lights: one of the opposite hue, the others near the ground's hue."""
    dice = random.Random(content_key("animatic-palette/1", take.prompt))  # noqa: S311 - not for security
    hue = dice.random()
    steps = [0.0, 0.5 + dice.uniform(-0.08, 0.08), 0.04, 0.10, -0.06, 0.07]
    values = [0.20, 0.50, 0.42, 0.62, 0.40, 0.75]
    return [colorsys.hsv_to_rgb((hue + step) % 1, 0.45, value) for step, value in zip(steps, values, strict=True)]


def _lights(take: Take) -> list[Light]:
    dice = random.Random(content_key("animatic-drift/1", (take.seed, take.prompt)))  # noqa: S311 - not for security
    wide = take.size.width / take.size.height
    return [
        Light(
            colour=colour,
            right=dice.uniform(0.1, 0.9) * wide,
            down=dice.uniform(0.1, 0.9),
            radius=dice.uniform(0.3, 0.5) * math.sqrt(wide),
            orbit=dice.uniform(0.15, 0.35),
            angle=dice.uniform(0, 2 * math.pi),
            turn=dice.choice((-1, 1)) * dice.uniform(1.0, 2.0),
        )
        for colour in _palette(take)[1:]
    ]


def _drawn(
    take: Take, ground: list[tuple[float, float, float]], lights: list[Light], grain: NDArray[np.float32], time: float
) -> Pixels:
    height, width = take.size.height, take.size.width
    rows, columns = max(height // _COARSE, 2), max(width // _COARSE, 2)
    down = ((np.arange(rows, dtype=np.float32) + 0.5) / rows)[:, None]
    right = ((np.arange(columns, dtype=np.float32) + 0.5) / columns * width / height)[None, :]
    picture = np.empty((rows, columns, 3), np.float32)
    picture[:] = np.multiply(ground[0], 255)
    for light in lights:
        angle = light.angle + light.turn * time
        across = right - (light.right + light.orbit * math.cos(angle))
        along = down - (light.down + light.orbit * math.sin(angle))
        share = np.exp(-(across**2 + along**2) / (2 * (light.radius / 1.6) ** 2))[..., None] * 0.8
        picture += share * (np.array(light.colour, np.float32) * 255 - picture)
    large = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(cv2.add(large, grain), 0, 255).astype(np.uint8)


def _grain(take: Take) -> NDArray[np.float32]:
    """Dither against banding, the same on every frame: (height, width, 3), one and a half steps either way."""
    dice = np.random.default_rng(0)
    grain = dice.uniform(-1.5, 1.5, (take.size.height, take.size.width, 1)).astype(np.float32)
    return np.repeat(grain, 3, axis=2)
