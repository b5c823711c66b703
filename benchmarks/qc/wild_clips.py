"""Clips without a fault that never set a limit: fast cameras, near things, weather, and light that flickers."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.qc.clean_clips import Dice, camera, moved, picture_of
from benchmarks.qc.footage import Footage
from wan_render.quality.samples import Floats
from wan_render.render_values import Pixels

Size = tuple[int, int]
Path = list[tuple[float, float, float, float]]


def _background(dice: Dice, footage: Footage, size: Size, length: int, reach: float = 0.3) -> Pixels:
    """What the scene shows behind whatever is in front: footage, or a slow camera."""
    shot = footage.shots[dice.integers(len(footage.shots))]
    if dice.random() < 0.5 or len(shot) < length:
        return camera(dice, footage, size, length, reach)
    start = int(dice.integers(len(shot) - length + 1))
    scale = max(size[0] / shot.shape[2], size[1] / shot.shape[1])
    inner = max(size[0], round(shot.shape[2] * scale)), max(size[1], round(shot.shape[1] * scale))
    left, top = (inner[0] - size[0]) // 2, (inner[1] - size[1]) // 2
    resized = (cv2.resize(frame, inner, interpolation=cv2.INTER_AREA) for frame in shot[start : start + length])
    return np.stack([frame[top : top + size[1], left : left + size[0]] for frame in resized])


def _smeared(dice: Dice, footage: Footage, size: Size, path: Path) -> Pixels:
    """A camera on a path of several places a frame; the shutter is open for none, half or all of each frame."""
    many = 4
    open_for = int(dice.choice((1, 1, 2, 4)))
    picture = picture_of(dice, footage)
    length = len(path) // many
    parts = [moved(picture, size, path[part::many][:length]).astype(np.float32) for part in range(open_for)]
    return np.asarray(np.mean(parts, axis=0)).astype(np.uint8)


def _bumps(dice: Dice, count: int, length: float) -> Floats:
    """How fast a camera is, over the clip: calm, with one to three rushes. Mean 1."""
    time = np.linspace(0, length, count)
    pace = np.full(count, dice.uniform(0.05, 0.4))
    for _ in range(dice.integers(1, 4)):
        rise, fall = dice.uniform(1.2, 5, 2)
        away = time - dice.uniform(0.15, 0.85) * length
        pace += dice.uniform(2, 15) * np.exp(-np.abs(away) / np.where(away < 0, rise, fall))
    return np.asarray(pace / pace.mean())


def whipped(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Rushes of the camera from view to view, in any direction, perhaps with a turn."""
    pace = _bumps(dice, length * 4, length)
    way = np.cumsum(pace) / pace.sum()
    if dice.random() < 0.3:  # there and back
        way = 1 - np.abs(1 - 2 * way)
    start, end = dice.uniform(0, 1, (2, 2))
    if np.abs(end - start).max() < 0.5:
        start[0], end[0] = 0, 1
    view, turn = dice.uniform(0.25, 0.5), dice.uniform(-15, 15) * (dice.random() < 0.3)
    places = start + (end - start) * way[:, None]
    return _smeared(dice, footage, size, [(x, y, view, turn * part) for (x, y), part in zip(places, way, strict=True)])


def crash_zoomed(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A zoom in or out that takes a few frames only."""
    pace = _bumps(dice, length * 4, length)
    way = np.cumsum(pace) / pace.sum()
    way = way if dice.random() < 0.5 else 1 - way
    (x, y), wide, close = dice.uniform(0.2, 0.8, 2), dice.uniform(0.7, 1), dice.uniform(0.2, 0.4)
    return _smeared(dice, footage, size, [(x, y, float(wide * (close / wide) ** part), 0.0) for part in way])


def shaken(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A camera on a car, a runner or in an earthquake: jolts that come and go."""
    stiff, jolts = dice.uniform(0.2, 0.9), dice.uniform(0.004, 0.05)
    loud = 0.3 + np.abs(np.sin(np.linspace(0, dice.uniform(1, 9), length * 4)))[:, None]
    pushes = dice.normal(0, jolts, (length * 4, 3)) * loud * (1 + 3 * (dice.random((length * 4, 1)) < 0.05))
    place = np.zeros((length * 4, 3))
    for at in range(1, length * 4):
        place[at] = place[at - 1] * (1 - stiff / 4) + pushes[at]
    centre, view = dice.uniform(0.3, 0.7, 2), dice.uniform(0.35, 0.7)
    drift = np.linspace(0, dice.uniform(-0.2, 0.2), length * 4)
    path: Path = [
        (float(np.clip(centre[0] + x + away, 0, 1)), float(np.clip(centre[1] + y, 0, 1)), view, float(60 * turn))
        for (x, y, turn), away in zip(place, drift, strict=True)
    ]
    return _smeared(dice, footage, size, path)


def _passing(dice: Dice, frames: Pixels, thing: Pixels, start: int, taken: float, *, soft: bool) -> None:
    """A thing as high as the frame, (height, width, 3), crosses it in so many frames, to the right or the left."""
    width, wide = frames.shape[2], thing.shape[1]
    rightward = dice.random() < 0.5
    if soft:
        thing = np.asarray(cv2.blur(thing, (int((width + wide) / taken / 2) | 1, 1)), np.uint8)
    for at in range(start, len(frames)):
        part = (at - start) / taken
        if part > 1:
            break
        left = int(-wide + (width + wide) * (part if rightward else 1 - part))
        low, high = max(0, left), min(width, left + wide)
        if high > low:
            frames[at, :, low:high] = thing[:, low - left : high - left]


def _thing(dice: Dice, footage: Footage, size: Size) -> Pixels:
    """A part of a picture, or something of one colour with a little shade."""
    wide = int(size[0] * dice.choice((0.1, 0.3, 0.6, 1, 1.5)) * dice.uniform(0.7, 1.3))
    if dice.random() < 0.5:
        picture = picture_of(dice, footage)
        return np.asarray(cv2.resize(picture, (wide, size[1]), interpolation=cv2.INTER_AREA), np.uint8)
    shade = np.linspace(0.6, 1, wide)[None, :, None] * np.linspace(0.9, 1, size[1])[:, None, None]
    return np.asarray(shade * dice.uniform(0, 200, 3)).astype(np.uint8)


def passed_by(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """One to four things pass close to the camera: cars, people, poles beside a train."""
    frames = np.array(_background(dice, footage, size, length))
    for _ in range(dice.integers(1, 5)):
        start, taken = int(dice.integers(1, max(2, length - 5))), float(dice.uniform(2.5, 14))
        _passing(dice, frames, _thing(dice, footage, size), start, taken, soft=dice.random() < 0.5)
    return frames


def curtained(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Curtains, a door or a blind that opens or closes over several frames; the keyframes show it so."""
    frames = np.array(_background(dice, footage, size, length, 0.1))
    cloth = cv2.resize(picture_of(dice, footage), (size[0], size[1]), interpolation=cv2.INTER_AREA)
    if dice.random() < 0.6:
        folds = 0.7 + 0.3 * np.sin(np.linspace(0, dice.uniform(20, 60), size[0]))
        cloth = np.asarray(folds[None, :, None] * dice.uniform(40, 220, 3) * np.ones((size[1], 1, 1))).astype(np.uint8)
    taken, start = dice.uniform(3, 12), dice.uniform(0.1, 0.6) * length
    shut = np.clip((np.arange(length) - start) / taken, 0, 1)
    shut = (1 - shut if dice.random() < 0.6 else shut) * dice.uniform(0.6, 1)
    kind = dice.integers(3)
    for frame, part in zip(frames, shut, strict=True):
        if kind == 0:  # from both sides
            half = int(part * size[0] / 2)
            frame[:, :half], frame[:, size[0] - half :] = cloth[:, size[0] // 2 - half : size[0] // 2], cloth[:, :half]
        elif kind == 1:  # from one side
            edge = int(part * size[0])
            frame[:, :edge] = cloth[:, size[0] - edge :]
        else:  # from above
            edge = int(part * size[1])
            frame[:edge] = cloth[size[1] - edge :]
    return frames


def weathered(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Rain or snow: streaks that are new in every frame, or flakes that fall."""
    frames = _background(dice, footage, size, length).astype(np.float32)
    many, long, strength = int(dice.uniform(50, 900)), int(dice.uniform(1, 25)), dice.uniform(40, 170)
    places, slant = dice.uniform(0, 1, (many, 2)), dice.uniform(-0.4, 0.4)
    falls = dice.random() < 0.5
    speed = dice.uniform(0.02, 0.12, many)
    for frame in frames:
        layer = np.zeros(frame.shape[:2], np.float32)
        places = (places + np.stack([speed * slant, speed], 1)) % 1 if falls else dice.uniform(0, 1, (many, 2))
        for x, y in (places * size).astype(int):
            end = (int(x + long * slant), int(y + long))
            cv2.line(layer, (int(x), int(y)), end, 1.0, int(1 + size[0] // 300), cv2.LINE_AA)
        frame += strength * layer[..., None]
    return np.clip(frames, 0, 255).astype(np.uint8)


def swept(way: float, room: int) -> int:
    """How far a texture has gone that goes there and back within so many pixels: it never leaps."""
    return int(room - abs(room - way % (2 * room)))


def smoke_filled(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Clouds of smoke, steam or dust that blow through."""
    frames = _background(dice, footage, size, length).astype(np.float32)
    wide = size[0] * 3
    layers = [
        weight * _field(dice, (wide, size[1]), grain * size[0] / 320)
        for grain, weight in ((40, 0.6), (15, 0.3), (5, 0.1))
    ]
    cloud = np.sum(layers, axis=0)
    cloud = np.clip((cloud - np.quantile(cloud, 0.3)) / (cloud.max() - np.quantile(cloud, 0.3)), 0, 1)
    dense, speed, bright = dice.uniform(0.4, 1.0), dice.uniform(1, 0.05 * size[0]), dice.uniform(60, 230)
    start = dice.uniform(0, size[0])
    for at, frame in enumerate(frames):
        left = swept(start + at * speed, wide - size[0])
        cover = (dense * cloud[:, left : left + size[0]])[..., None]
        frame[:] = frame * (1 - cover) + bright * cover
    return frames.astype(np.uint8)


def boiled(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Leaves, a waterfall, flames, a crowd: a part of the picture whose texture is new in every frame or two."""
    frames = np.array(_background(dice, footage, size, length, 0.15))
    grain, keep = dice.uniform(0.8, 5), int(dice.integers(1, 4))
    colour, contrast = dice.uniform(40, 200, 3), dice.uniform(20, 90)
    centre, radius = dice.uniform(0.2, 0.8, 2), dice.uniform(0.2, 0.9)
    across, down = np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1])[:, None]
    mask = np.clip((radius - np.hypot(across - centre[0], down - centre[1])) * 8, 0, 1)[..., None]
    calm, speed = _field(dice, (size[0], size[1] * 3), grain), dice.uniform(0, 0.06) * size[1]
    for at, frame in enumerate(frames):
        if at % keep == 0:
            fresh = _field(dice, size, grain)
        low = swept(size[1] + at * speed, 2 * size[1])
        texture = (0.5 * fresh + 0.5 * calm[low : low + size[1]] - 0.5) / 0.12
        frame[:] = np.clip(frame * (1 - mask) + (colour + contrast * texture[..., None]) * mask, 0, 255)
    return frames


def waved(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Seen through water, heat or a flag: everything wavers, each part in its own way."""
    frames = np.array(_background(dice, footage, size, length))
    high, grain, keep = dice.uniform(1, 9) * size[0] / 320, dice.uniform(4, 20), int(dice.integers(2, 7))
    across, down = np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32)[:, None]
    waves = [[(_field(dice, size, grain) - 0.5) * 2 * high for _ in range(2)] for _ in range(length // keep + 2)]
    for at, frame in enumerate(frames):
        part, before = at % keep / keep, at // keep
        x, y = ((1 - part) * waves[before][axis] + part * waves[before + 1][axis] for axis in (0, 1))
        frame[:] = cv2.remap(frame, across + x, down + y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return frames


def flickered(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """A candle, a faulty tube or lightning: all of the light, or a part of it, changes from frame to frame."""
    frames = _background(dice, footage, size, length).astype(np.float32)
    kind = dice.integers(3)
    if kind == 0:  # candle
        power = 1 + np.convolve(dice.normal(0, dice.uniform(0.05, 0.2), length + 2), np.ones(3) / 3, "valid")
    elif kind == 1:  # tube
        power = np.where(dice.random(length) < dice.uniform(0.1, 0.4), dice.uniform(0.3, 0.7), 1.0)
    else:  # lightning
        power = np.full(length, dice.uniform(0.25, 0.6))
        for at in dice.integers(2, max(3, length - 4), dice.integers(1, 4)):
            power[at : at + 3] *= dice.uniform(1.4, 3, len(power[at : at + 3]))
        power = np.minimum(power, 1.5)  # flashes that meet would leave white frames, which are a fault
    power[0], power[-1] = power[1], power[-2]
    side = np.linspace(dice.uniform(0.5, 1), 1, size[0])[None, :, None] if dice.random() < 0.5 else np.ones((1, 1, 1))
    return np.clip(frames * (1 + (power[:, None, None, None] - 1) * side), 0, 255).astype(np.uint8)


def crowded(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Many things that fly or walk across each other: birds, balls, people, sparks."""
    frames = np.array(_background(dice, footage, size, length))
    picture = picture_of(dice, footage)
    for _ in range(dice.integers(4, 25)):
        radius = int(size[1] * dice.uniform(0.03, 0.3))
        place, speed = dice.uniform(-0.2, 1.2, 2), dice.normal(0, dice.uniform(0.01, 0.08), 2)
        side = 2 * radius + 1
        patch = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        y, x = np.mgrid[-1 : 1 : patch.shape[0] * 1j, -1 : 1 : patch.shape[1] * 1j]
        _stamped(frames, patch, np.clip((1 - np.hypot(x, y)) * radius / 2, 0, 1), place, speed)
    return frames


def _stamped(frames: Pixels, patch: Pixels, mask: Floats, place: Floats, speed: Floats) -> None:
    length, height, width, _ = frames.shape
    rows, columns = mask.shape
    for at in range(length):
        left, top = (int((place[axis] + speed[axis] * at) * side) for axis, side in ((0, width), (1, height)))
        low, high, upper, lower = max(0, left), min(width, left + columns), max(0, top), min(height, top + rows)
        if high <= low or lower <= upper:
            continue
        inner = np.s_[upper - top : lower - top, low - left : high - left]
        part, cover = frames[at, upper:lower, low:high], mask[inner][..., None]
        part[:] = part * (1 - cover) + patch[inner] * cover


def burst(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """An explosion or headlights: a bright cloud grows over a part of the picture in a few frames, and fades."""
    frames = _background(dice, footage, size, length).astype(np.float32)
    centre, reach = dice.uniform(0.2, 0.8, 2), dice.uniform(0.2, 0.6)
    start, rise, fall = dice.uniform(0.2, 0.6) * length, dice.uniform(2, 6), dice.uniform(4, 15)
    rough = _field(dice, size, size[0] / 25) - 0.5
    across, down = np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1])[:, None]
    away = np.hypot(across - centre[0], down - centre[1]) + 0.3 * rough
    for at, frame in enumerate(frames):
        grown = np.clip((at - start) / rise, 0, 1) * np.exp(-max(0.0, at - start - rise) / fall)
        cover = np.clip((reach * grown - away) * 10, 0, 1)[..., None] * min(1.0, 2 * grown)
        frame[:] = frame * (1 - cover) + np.array((255, 220, 150)) * (0.85 + 0.15 * rough[..., None]) * cover
    return np.clip(frames, 0, 255).astype(np.uint8)


def lapsed(dice: Dice, footage: Footage, size: Size, length: int) -> Pixels:
    """Footage at several times its speed, there and back where it is short, as in a time lapse."""
    shot = footage.shots[dice.integers(len(footage.shots))]
    speed = int(dice.integers(3, 7))
    there = np.arange(0, len(shot), speed)
    order = np.concatenate([there, there[::-1][1:-1]])
    order = np.tile(order, length // len(order) + 2)[:length]
    scale = max(size[0] / shot.shape[2], size[1] / shot.shape[1])
    inner = max(size[0], round(shot.shape[2] * scale)), max(size[1], round(shot.shape[1] * scale))
    resized = (cv2.resize(shot[at], inner, interpolation=cv2.INTER_AREA) for at in order)
    return np.stack([frame[: size[1], : size[0]] for frame in resized])


def _field(dice: Dice, size: Size, grain: float) -> Floats:
    """Smooth noise, (height, width), 0 to 1."""
    field = cv2.GaussianBlur(dice.standard_normal((size[1], size[0]), np.float32), (0, 0), grain)
    return np.asarray((field - field.min()) / (field.max() - field.min()))


WILD = (
    *(whipped, whipped, crash_zoomed, shaken, shaken, passed_by, passed_by, curtained, weathered, smoke_filled),
    *(boiled, waved, flickered, crowded, burst, lapsed),
)
