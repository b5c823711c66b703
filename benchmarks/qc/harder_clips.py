"""More clips without a fault: those that attackers found to be taken for one."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.qc.clean_clips import Dice, camera, eased, moved, picture_of
from benchmarks.qc.footage import Footage
from wan_render.quality.samples import Floats
from wan_render.render_values import Pixels


def lamp_turn(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """The camera turns away while a lamp is switched on or off."""
    start, end = (0, 1) if dice.random() < 0.5 else (1, 0)
    y, view, reach = dice.uniform(0, 1, 2), dice.uniform(0.3, 0.5), dice.uniform(0.5, 1)
    path = [
        (start + (end - start) * part * reach, y[0] + (y[1] - y[0]) * part, view, 0.0) for part in eased(dice, length)
    ]
    frames = moved(picture_of(dice, footage), size, path).astype(np.float32)
    ramp = np.clip((np.arange(length) - dice.integers(3, length - 3)) / dice.choice((0.5, 2, 6, 15)) + 0.5, 0, 1)
    ramp = ramp if dice.random() < 0.5 else 1 - ramp
    least, across, down = dice.uniform(0.2, 0.6), np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1])[:, None]
    spot = np.exp(-((across - dice.random()) ** 2 + (down - dice.random()) ** 2) / dice.uniform(0.3, 2))
    power = least + (1 - least) * ramp[:, None, None] * spot
    return np.asarray(frames * power[..., None]).astype(np.uint8)


def whip(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """A whip pan that nothing blurs, perhaps on twos."""
    pace = 0.2 + dice.uniform(6, 20) * np.exp(
        -(((np.arange(length) - dice.uniform(0.3, 0.7) * length) / dice.uniform(2, 5)) ** 2)
    )
    where, view = np.cumsum(pace) / pace.sum(), dice.uniform(0.25, 0.45)
    frames = moved(picture_of(dice, footage), size, [(x, 0.5, view, 0.0) for x in where])
    return frames if dice.random() < 0.6 else np.asarray(frames[np.arange(length) // 2 * 2])


def shake(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """A camera in a hand that runs."""
    place, view, push = dice.uniform(0.2, 0.8, 2), dice.uniform(0.4, 0.7), dice.uniform(0.01, 0.06)
    pushes = dice.normal(0, push, (length, 2))
    steps = (pushes + np.roll(pushes, 1, 0)) / 2
    path = [(*np.clip(place + step, 0, 1), view, float(30 * step[0])) for step in steps]
    return moved(picture_of(dice, footage), size, path)


def night(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """Nearly black, with a light or two."""
    samples = (camera(dice, footage, size, length, 0.3).astype(np.float32) / 255) ** dice.uniform(1, 2)
    frames = np.ascontiguousarray(samples * dice.uniform(0.07, 0.16) * 255).astype(np.uint8)
    for x, y in dice.uniform(0, 1, (dice.integers(3), 2)) * size:
        colour = tuple(map(float, dice.uniform(60, 255, 3)))
        for at, frame in enumerate(frames):
            cv2.circle(frame, (int(x + at * 0.4), int(y)), 2, colour, -1, cv2.LINE_AA)
    return frames


def fog(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """Fog comes and goes, or stays."""
    frames = camera(dice, footage, size, length, 0.2).astype(np.float32)
    way = np.linspace(0, 1, length) if dice.random() < 0.5 else np.sin(np.pi * np.linspace(0, 1, length))
    thick = (way * dice.uniform(0.3, 0.6))[:, None, None, None]
    ground = 150 + 60 * _field(dice, size, 20)[..., None]
    return np.asarray(frames * (1 - thick) + ground * thick).astype(np.uint8)


def water(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """A reflection that waves distort, each for a few frames."""
    frames = camera(dice, footage, size, length, 0.3)
    grain, height, across = dice.uniform(4, 12), dice.uniform(2, 8), np.arange(size[0], dtype=np.float32)
    down = np.arange(size[1], dtype=np.float32)[:, None]
    waves = [[_field(dice, size, grain) * height for _ in range(2)] for _ in range(length // 4 + 2)]
    for at, frame in enumerate(frames):
        part, before = at % 4 / 4, at // 4
        x, y = ((1 - part) * waves[before][axis] + part * waves[before + 1][axis] for axis in (0, 1))
        frame[:] = cv2.remap(frame, across + x, down + y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return frames


def passer(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """Something large passes close to the camera, blurred by its speed."""
    frames = camera(dice, footage, size, length, 0.2)
    width, taken = int(size[0] * dice.uniform(0.6, 1.6)), int(dice.integers(5, max(6, length // 2)))
    start = int(dice.integers(2, max(3, length - taken - 2)))
    large = cv2.blur(cv2.resize(picture_of(dice, footage), (width, size[1])), (size[0] // taken // 2 | 1, 1))
    for at, frame in enumerate(frames[start : start + taken + 1]):
        left = int(-width + (size[0] + width) * at / taken)
        low, high = max(0, left), min(size[0], left + width)
        if high > low:
            frame[:, low:high] = large[:, low - left : high - left]
    return frames


def _field(dice: Dice, size: tuple[int, int], grain: float) -> Floats:
    """Smooth noise, (height, width), 0 to 1."""
    field = cv2.GaussianBlur(dice.standard_normal((size[1], size[0]), np.float32), (0, 0), grain)
    return np.asarray((field - field.min()) / (field.max() - field.min()))


HARDER = (lamp_turn, whip, shake, night, fog, water, passer)
