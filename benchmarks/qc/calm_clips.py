"""Clips without a fault in which little moves or little can be seen: rests, haze, dusk, soft focus, things close by."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.qc.clean_clips import Dice, camera, eased, moved, picture_of
from benchmarks.qc.footage import Footage
from benchmarks.qc.wild_clips import swept
from wan_render.quality.samples import Floats
from wan_render.render_values import Pixels

Size = tuple[int, int]


def _tripod(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """One view of a picture, with the grain of a camera or without."""
    place = (*dice.uniform(0, 1, 2), dice.uniform(0.4, 1), 0.0)
    frames = np.repeat(moved(picture_of(dice, footage), size, [place]), length, 0)
    if dice.random() < 0.5:
        return frames
    grain = dice.normal(0, dice.uniform(0.3, 2), frames.shape)
    grainy: Pixels = np.clip(frames + grain, 0, 255).astype(np.uint8)
    return grainy


def _hazy(dice: Dice, frames: Pixels) -> Pixels:
    """In little contrast, around some grey."""
    samples = dice.uniform(60, 190) + (frames.astype(np.float32) - 128) * dice.uniform(0.08, 0.35)
    return np.asarray(np.clip(samples, 0, 255)).astype(np.uint8)


def _dim(dice: Dice, frames: Pixels) -> Pixels:
    samples = (frames.astype(np.float32) / 255) ** dice.uniform(1, 1.6) * dice.uniform(0.08, 0.25)
    return np.clip(samples * 255, 0, 255).astype(np.uint8)


def _seen_so(dice: Dice, frames: Pixels) -> Pixels:
    """In haze, at dusk, or as it is."""
    return (_hazy, _dim, lambda _, same: same)[dice.integers(3)](dice, frames)


def _pasted(frame: Pixels, thing: Pixels, left: int, top: int) -> None:
    """A thing in front of a frame, where it is inside."""
    (height, width), (rows, columns) = frame.shape[:2], thing.shape[:2]
    low, high, upper, lower = max(0, left), min(width, left + columns), max(0, top), min(height, top + rows)
    if high > low and lower > upper:
        frame[upper:lower, low:high] = thing[upper - top : lower - top, low - left : high - left]


def _way(dice: Dice, length: int) -> Floats:
    """From 0 to 1 in some frames of the clip, at once or slowly at both ends; it rests before and after that."""
    taken, start = dice.uniform(4, max(6, length / 2)), dice.uniform(0, 0.6) * length
    part = np.clip((np.arange(length) - start) / taken, 0, 1)
    return np.asarray(part if dice.random() < 0.6 else (1 - np.cos(np.pi * part)) / 2)


def rested(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """In a view that stands still, something comes in, goes out, or goes from place to place; else it rests."""
    frames = np.array(_tripod(dice, footage, size, length))
    side = int(size[1] * dice.uniform(0.2, 0.7))
    thing = cv2.resize(picture_of(dice, footage), (side, side), interpolation=cv2.INTER_AREA)
    start, end = dice.uniform(-0.3, 1.0, (2, 2))
    for frame, part in zip(frames, _way(dice, length), strict=True):
        left, top = (start + (end - start) * part) * size
        _pasted(frame, np.asarray(thing, np.uint8), int(left), int(top))
    return _seen_so(dice, frames)


def drawn_open(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A curtain, a shutter or a door opens or closes in front of a view that stands still or hardly moves."""
    back = _tripod if dice.random() < 0.5 else camera
    frames = np.array(back(dice, footage, size, length, *((0.1,) if back is camera else ())))
    cloth = np.asarray(cv2.resize(picture_of(dice, footage), size, interpolation=cv2.INTER_AREA), np.uint8)
    if dice.random() < 0.5:
        folds = 0.7 + 0.3 * np.sin(np.linspace(0, dice.uniform(20, 60), size[0]))
        cloth = np.asarray(folds[None, :, None] * dice.uniform(20, 220, 3) * np.ones((size[1], 1, 1))).astype(np.uint8)
    shut = _way(dice, length) * dice.uniform(0.5, 1)
    shut = shut if dice.random() < 0.5 else shut[::-1]
    slides, upwards = dice.random() < 0.5, dice.random() < 0.4
    for frame, part in zip(frames, shut, strict=True):
        edge = round(part * size[1 if upwards else 0])
        if upwards:
            frame[:edge] = cloth[size[1] - edge :] if slides else cloth[:edge]
        else:
            frame[:, :edge] = cloth[:, size[0] - edge :] if slides else cloth[:, :edge]
    return _seen_so(dice, frames)


def brushed_past(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Soft things pass close to the lens, in haze or at dusk."""
    frames = np.array(_seen_so(dice, camera(dice, footage, size, length, 0.15)))
    for _ in range(dice.integers(1, 4)):
        wide, taken = int(size[0] * dice.uniform(0.2, 0.7)), int(dice.integers(3, 15))
        start, rightward = int(dice.integers(0, max(1, length - taken))), dice.random() < 0.5
        tone, edge = dice.uniform(0, 1) * frames.mean() * 2, dice.uniform(2, 40)
        across = np.arange(size[0])
        for at, frame in enumerate(frames[start : start + taken + 1]):
            part = at / taken if rightward else 1 - at / taken
            centre = -wide / 2 + (size[0] + wide) * part
            cover = np.clip((wide / 2 - np.abs(across - centre)) / edge + 0.5, 0, 1)[None, :, None]
            frame[:] = np.clip(frame * (1 - cover) + tone * cover, 0, 255)
    return frames


def crept(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A slow zoom, pan or turn over a wall, a lawn, gravel, a page, or another picture, in little contrast or not."""
    start, turn = dice.uniform(0, 1, 2), dice.uniform(-10, 10, 2)
    wide, close = dice.uniform(0.3, 1, 2)
    end = start + dice.uniform(-0.3, 0.3, 2)
    path = [
        (
            *np.clip(start + (end - start) * part, 0, 1),
            wide + (close - wide) * part,
            turn[0] + (turn[1] - turn[0]) * part,
        )
        for part in eased(dice, length)
    ]
    textures = footage.pictures[3:8]  # brick, chelsea, coffee, coins, grass
    picture = textures[dice.integers(len(textures))] if dice.random() < 0.6 else picture_of(dice, footage)
    return _seen_so(dice, moved(picture, size, path))


def unfocused(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """All of it is out of focus; the focus may breathe a little."""
    frames, blur = camera(dice, footage, size, length, 0.4), dice.uniform(0.006, 0.02) * size[0]
    breath = 1 + 0.15 * np.sin(np.linspace(0, dice.uniform(0, 6), length))
    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), blur * b) for frame, b in zip(frames, breath, strict=True)])
    return _seen_so(dice, soft)


def watched(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A screen in a room shows a film; the camera stands or is held in a hand."""
    frames = np.array(_tripod(dice, footage, size, length))
    shots = [shot for shot in footage.shots if len(shot) >= min(length, 60)]
    shot = shots[dice.integers(len(shots))]
    wide = int(size[0] * dice.uniform(0.25, 0.7))
    high = int(wide * shot.shape[1] / shot.shape[2])
    left, top = (int(dice.uniform(0, max(1, room))) for room in (size[0] - wide, size[1] - high))
    for at, frame in enumerate(frames):
        shown = shot[min(at, len(shot) - 1)]
        _pasted(frame, np.asarray(cv2.resize(shown, (wide, high), interpolation=cv2.INTER_AREA), np.uint8), left, top)
    return _seen_so(dice, frames if dice.random() < 0.5 else _in_hand(dice, frames))


def _in_hand(dice: Dice, frames: Pixels) -> Pixels:
    """The same, from a hand that is not steady."""
    length, height, width, _ = frames.shape
    drift = np.cumsum(dice.normal(0, 0.002, (length, 2)), 0) + dice.normal(0, dice.uniform(0.0005, 0.004), (length, 2))
    shaken = []
    for frame, (across, down) in zip(frames, drift * width, strict=True):
        matrix = np.array(((1.08, 0, across - 0.04 * width), (0, 1.08, down - 0.04 * height)))
        shaken.append(cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REFLECT))
    return np.stack(shaken)


def held_by_hand(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A view from a hand, in haze or at dusk."""
    return _seen_so(dice, _in_hand(dice, _tripod(dice, footage, size, length)))


def rippled(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Water or smoke drifts over a view in little contrast."""
    frames = camera(dice, footage, size, length, 0.1).astype(np.float32)
    field = cv2.GaussianBlur(dice.standard_normal((size[1] * 2, size[0] * 3), np.float32), (0, 0), dice.uniform(3, 25))
    field = (field - field.min()) / (field.max() - field.min())
    speed, dense, tone = dice.uniform(0.3, 6, 2), dice.uniform(0.3, 0.9), dice.uniform(40, 220)
    for at, frame in enumerate(frames):
        left, top = (swept(at * pace, room) for pace, room in zip(speed, (size[0] * 2, size[1]), strict=True))
        cover = dense * field[top : top + size[1], left : left + size[0], None]
        frame[:] = frame * (1 - cover) + tone * cover
    return _seen_so(dice, frames.astype(np.uint8))


def panned_fast(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A camera that is fast in nearly all of the clip, with the blur of its shutter."""
    many, reach = 4, dice.uniform(0.6, 1)
    way = np.linspace(0, 1, length * many)
    way = way if dice.random() < 0.5 else np.clip(way * 1.3 - 0.15, 0, 1)
    way = way if dice.random() < 0.7 else 1 - np.abs(1 - 2 * way)
    view, y = dice.uniform(0.15, 0.4), dice.uniform(0, 1)
    fine = moved(picture_of(dice, footage), size, [(float(reach * x), y, view, 0.0) for x in way])
    return np.asarray(fine.reshape(length, many, *fine.shape[1:]).mean(axis=1)).astype(np.uint8)


CALM = (
    *(rested, rested, drawn_open, drawn_open, brushed_past, brushed_past, crept, crept, unfocused, watched),
    *(held_by_hand, rippled, panned_fast),
)
