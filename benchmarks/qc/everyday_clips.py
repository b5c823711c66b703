"""Clips without a fault of everyday kinds: titles, fades, letterboxes, plain ends, film grain, drawings on twos."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.qc.clean_clips import Dice, camera, moved, picture_of
from benchmarks.qc.footage import Footage
from wan_render.quality.samples import Floats
from wan_render.render_values import Pixels

Size = tuple[int, int]

LETTERS = tuple("abcdefghij klmnop qrstuv ABCDE 0123")


def _lettered(dice: Dice, size: Size, ground: int, ink: int) -> Pixels:
    """Lines of letters that say nothing."""
    page = np.full((size[1], size[0], 3), ground, np.uint8)
    for top in range(20, size[1], 26):
        line = "".join(dice.choice(LETTERS, size[0] // 8))
        cv2.putText(page, line, (5, top), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (ink, ink, ink), 1, cv2.LINE_AA)
    return page


def page_panned(dice: Dice, _footage: Footage, size: Size, length: int) -> Pixels:
    """A camera along the lines of a book."""
    page = _lettered(dice, (1400, 700), int(dice.integers(200, 256)), int(dice.integers(80)))
    return moved(page, size, [(x, 0.4, 0.35, 0.0) for x in np.linspace(0.1, dice.uniform(0.5, 0.9), length)])


def credits_rolled(dice: Dice, _footage: Footage, size: Size, length: int) -> Pixels:
    """White letters roll over black."""
    speed = int(dice.integers(2, 9))
    page = _lettered(dice, (size[0], size[1] + speed * length), 0, 235)
    return np.stack([page[speed * at : speed * at + size[1]] for at in range(length)])


def titled(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A title of one line fades in over a scene, or is there at once, and stays."""
    frames = camera(dice, footage, size, length, 0.15).astype(np.float32)
    title = _lettered(dice, size, 0, 255).astype(np.float32)
    middle = size[1] // 2
    title[: middle - 16], title[middle + 16 :] = 0, 0
    shown = np.clip((np.arange(length) - length // 4) / dice.choice((0.5, 8)), 0, 1)[:, None, None, None]
    return np.asarray(frames * (1 - shown * title / 255) + shown * title).astype(np.uint8)


def faded_in(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """From black or white, or to it, as the keyframes say."""
    light = np.clip(np.arange(length) / (length * dice.uniform(0.3, 0.9)), 0, 1)[:, None, None, None]
    frames = camera(dice, footage, size, length, 0.2) * light + float(dice.choice((0, 0, 255))) * (1 - light)
    return np.asarray(frames if dice.random() < 0.5 else frames[::-1]).astype(np.uint8)


def boxed(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Black bars above and below, or at both sides."""
    frames = np.array(camera(dice, footage, size, length, 0.5))
    if dice.random() < 0.5:
        bar = int(size[1] * dice.uniform(0.1, 0.2))
        frames[:, :bar], frames[:, size[1] - bar :] = 0, 0
    else:
        bar = int(size[0] * dice.uniform(0.1, 0.3))
        frames[:, :, :bar], frames[:, :, size[0] - bar :] = 0, 0
    return frames


def grainy(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Black and white film; now and then a still photograph."""
    frames = camera(dice, footage, size, length, float(dice.choice((0, 0.3, 1))))
    grey = frames.mean(axis=-1, keepdims=True).repeat(3, -1)
    grain = dice.normal(0, dice.uniform(3, 10), grey.shape[:3])[..., None]
    return np.asarray(np.clip(grey + grain, 0, 255)).astype(np.uint8)


def shut(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A door of one colour closes altogether: the last keyframe is plain."""
    frames = np.array(camera(dice, footage, size, length, 0.1))
    colour = dice.integers(30, 220, 3)
    for frame, part in zip(frames, np.linspace(0, 1, length), strict=True):
        frame[:, : round(part * size[0])] = colour
    return frames


def exposed(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """The exposure follows the light, up to a stop each way."""
    stops = dice.uniform(-1, 1) * np.sin(np.linspace(0, dice.uniform(1, 6), length))
    return np.clip(camera(dice, footage, size, length, 0.2) * _column(2**stops), 0, 255).astype(np.uint8)


def strobed(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A lamp that flashes every few frames; it is on at both ends."""
    light = np.where(np.arange(length) % int(dice.integers(2, 6)) < 1, 1.0, dice.uniform(0.25, 0.6))
    light[[0, -1]] = 1
    return np.asarray(camera(dice, footage, size, length, 0.2) * _column(light)).astype(np.uint8)


def _column(values: Floats) -> Floats:
    return values[:, None, None, None]


def confetti(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Coloured scraps fall through a scene."""
    frames = np.array(camera(dice, footage, size, length, 0.1))
    many = int(dice.integers(20, 200))
    places, colours = dice.uniform(0, 1, (many, 2)), dice.integers(0, 256, (many, 3))
    speeds = np.stack([dice.normal(0, 0.01, many), dice.uniform(0.02, 0.07, many)], axis=1)
    for at, frame in enumerate(frames):
        corners = ((places + speeds * at) % 1.1 * size).astype(int)
        for (left, top), colour in zip(corners, colours, strict=True):
            cv2.rectangle(frame, (left, top), (left + 6, top + 4), tuple(map(float, colour)), -1)
    return frames


def swung(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A camera that swings from side to side, turns around its axis, or goes far in."""
    part, kind = np.linspace(0, 1, length), dice.integers(3)
    x = 0.5 + 0.4 * np.sin(2 * np.pi * part * dice.uniform(0.5, 1.5)) * (kind == 0)
    view = np.where(kind == 2, 0.95 * 0.35**part, 0.45)
    turn = 180 * part * (kind == 1)
    places = zip(x, view, turn, strict=True)
    return moved(picture_of(dice, footage), size, [(float(a), 0.5, float(b), float(c)) for a, b, c in places])


EVERYDAY = (page_panned, credits_rolled, titled, faded_in, boxed, grainy, shut, exposed, strobed, confetti, swung)
