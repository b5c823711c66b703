"""Clips without a fault, of real footage and of synthetic moves, with the loss of a VAE.

Every clip is made from a seed: the same seed gives the same clip.
"""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.qc.footage import Footage
from wan_render.quality.samples import Floats
from wan_render.render_values import Pixels

Dice = np.random.Generator


def _filmed(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """A crop of a shot at 1, 2 or 3 times its speed, perhaps backwards or mirrored."""
    shot = footage.shots[dice.integers(len(footage.shots))]
    speed = int(dice.choice((1, 1, 1, 2, 2, 3)))
    while speed > 1 and len(shot) // speed < 17:
        speed -= 1
    frames = shot[::speed]
    start = int(dice.integers(max(1, len(frames) - length)))
    frames = frames[start : start + length]
    if dice.random() < 0.3:
        frames = frames[::-1]
    if dice.random() < 0.3:
        frames = frames[:, :, ::-1]
    zoom = dice.uniform(0.45, 1.0) if shot.shape[2] > 300 else 1.0
    return _cropped(dice, frames, size, zoom)


def _cropped(dice: Dice, frames: Pixels, size: tuple[int, int], zoom: float) -> Pixels:
    _, height, width, _ = frames.shape
    scale = min(width / size[0], height / size[1]) * zoom
    crop_width, crop_height = int(size[0] * scale), int(size[1] * scale)
    left, top = (int(dice.integers(most - part + 1)) for most, part in ((width, crop_width), (height, crop_height)))
    interpolation = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    parts = frames[:, top : top + crop_height, left : left + crop_width]
    return np.stack([cv2.resize(np.ascontiguousarray(part), size, interpolation=interpolation) for part in parts])


def eased(dice: Dice, length: int) -> list[float]:
    """Positions 0 to 1 over the clip: even, or slow at the ends."""
    even = np.linspace(0, 1, length)
    return list(even if dice.random() < 0.5 else (1 - np.cos(np.pi * even)) / 2)


def picture_of(dice: Dice, footage: Footage) -> Pixels:
    """A photograph, or a frame of a shot."""
    if dice.random() < 0.7:
        return footage.pictures[dice.integers(len(footage.pictures))]
    shot = footage.shots[dice.integers(len(footage.shots))]
    frame: Pixels = shot[dice.integers(len(shot))]
    return frame


def moved(picture: Pixels, size: tuple[int, int], path: list[tuple[float, float, float, float]]) -> Pixels:
    """A camera over a picture. path: centre x and y (0 to 1), width of the view (of the widest possible), degrees."""
    height, width = picture.shape[:2]
    widest = min(width, height * size[0] / size[1])
    frames = []
    for x, y, view, degrees in path:
        scale = widest * view / size[0]
        half = (size[0] * scale / 2, size[1] * scale / 2)
        centre = (half[0] + x * (width - 2 * half[0]), half[1] + y * (height - 2 * half[1]))
        turn = np.deg2rad(degrees)
        cos, sin = scale * np.cos(turn), scale * np.sin(turn)
        matrix = np.array(
            (
                (cos, -sin, centre[0] - cos * size[0] / 2 + sin * size[1] / 2),
                (sin, cos, centre[1] - sin * size[0] / 2 - cos * size[1] / 2),
            )
        )
        source = picture if scale < 1.5 else cv2.GaussianBlur(picture, (0, 0), scale / 2.5)
        frames.append(
            cv2.warpAffine(
                source, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
            )
        )
    return np.stack(frames)


def camera(dice: Dice, footage: Footage, size: tuple[int, int], length: int, reach: float = 1.0) -> Pixels:
    """A pan, a zoom and a turn over a photograph, and perhaps the shake of a hand."""
    ends = dice.uniform(0, 1, (2, 2))
    views = np.clip(dice.uniform(0.3, 0.9, 2), 0.25, 1)
    turns = dice.uniform(-6, 6, 2)
    if dice.random() < 0.5:
        views[1] = views[0]
    shake = np.cumsum(dice.normal(0, 1, (length, 2)), 0) * 0.0015 * (dice.random() < 0.3)
    path = []
    for at, part in enumerate(eased(dice, length)):
        x, y = ends[0] + (ends[1] - ends[0]) * part * reach + shake[at]
        path.append((x, y, views[0] + (views[1] - views[0]) * part, turns[0] + (turns[1] - turns[0]) * part))
    return moved(picture_of(dice, footage), size, path)


def _camera_fast(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """A whip pan: most of the way in a few frames, blurred by the motion."""
    frames, many = int(dice.integers(6, 14)), 4
    pace = np.ones(length * many)
    centre = int(dice.integers(length * many // 4, length * many * 3 // 4))
    pace += 25 * np.exp(-(((np.arange(length * many) - centre) / (frames * many / 2)) ** 2))
    where = np.cumsum(pace) / pace.sum()
    view, y = dice.uniform(0.25, 0.5), dice.uniform(0, 1)
    fine = moved(picture_of(dice, footage), size, [(x, y, view, 0.0) for x in where])
    blurred: Pixels = fine.reshape(length, many, *fine.shape[1:]).mean(axis=1).astype(np.uint8)
    return blurred


def _blobs(dice: Dice, _footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """Soft discs that move over a gradient: drawn pictures with large even parts."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    corners = dice.uniform(20, 235, (2, 3))
    ground = corners[0] + (corners[1] - corners[0]) * (x / width)[..., None]
    discs = [
        (dice.uniform(0, 1, 2), dice.normal(0, 0.012, 2), dice.uniform(0.05, 0.25), dice.uniform(0, 255, 3))
        for _ in range(dice.integers(1, 7))
    ]
    frames = []
    for at in range(length):
        frame = ground.copy()
        for place, speed, radius, colour in discs:
            beyond = np.maximum(0.2, radius * height / np.array(size))  # out of sight where it starts again
            cx, cy = (place + at * speed) % (1 + 2 * beyond) - beyond
            away = np.hypot(x - cx * width, y - cy * height) / (radius * height)
            cover = np.clip((1 - away) * radius * height / 2, 0, 1)[..., None]
            frame = frame * (1 - cover) + colour * cover
        frames.append(frame.astype(np.uint8))
    return np.stack(frames)


def _still(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """A tripod: nothing moves, or one small thing, or grain only."""
    place = (*dice.uniform(0, 1, 2), dice.uniform(0.3, 1), 0.0)
    frames = np.repeat(moved(picture_of(dice, footage), size, [place]), length, 0)
    kind = dice.integers(3)
    if kind == 0:
        return frames
    if kind == 1:
        grain = dice.normal(0, dice.uniform(1, 6), frames.shape)
        grainy: Pixels = np.clip(frames + grain, 0, 255).astype(np.uint8)
        return grainy
    radius = int(size[1] * dice.uniform(0.03, 0.1))
    start, speed, colour = dice.uniform(0.2, 0.8, 2), dice.normal(0, 0.008, 2), dice.uniform(0, 255, 3)
    for at, frame in enumerate(frames):
        centre = (start + at * speed) * size
        cv2.circle(frame, (int(centre[0]), int(centre[1])), radius, tuple(map(float, colour)), -1, cv2.LINE_AA)
    return frames


def _light(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """A lamp is switched on or off, or the sun comes out; the camera may move."""
    frames = camera(dice, footage, size, length, reach=float(dice.choice((0.0, 0.3))))
    dark, at = dice.uniform(0.25, 0.7), int(dice.integers(3, length - 3))
    ramp = np.clip((np.arange(length) - at) / dice.choice((0.5, 1, 6, 20)) + 0.5, 0, 1)
    if dice.random() < 0.4:
        ramp = 1 - ramp
    warm = np.array((1, dice.uniform(0.9, 1), dice.uniform(0.8, 1)))
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    spot = np.exp(-(((x / size[0] - dice.random()) ** 2 + (y / size[1] - dice.random()) ** 2) / dice.uniform(0.2, 2)))
    power = dark + (1 - dark) * ramp[:, None, None] * spot[None]
    lit: Pixels = np.clip(frames * (power[..., None] * (1 - ramp[:, None, None, None] * (1 - warm))), 0, 255).astype(
        np.uint8
    )
    return lit


def _layers(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """A picture that crosses in front of another one that moves more slowly."""
    frames = camera(dice, footage, size, length, reach=0.4)
    front = cv2.resize(picture_of(dice, footage), (size[0] // 3, size[1] // 2), interpolation=cv2.INTER_AREA)
    height, width = front.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    mask = np.clip((1 - np.hypot(x, y)) * 8, 0, 1)[..., None]
    start, end = dice.uniform(-0.3, 1.0, 2)
    top = int(dice.integers(size[1] - height))
    for at, part in enumerate(np.linspace(0, 1, length)):
        left = int((start + (end - start) * part) * size[0])
        low, high = max(0, left), min(size[0], left + width)
        if high > low:
            seen = slice(low - left, high - left)
            under = frames[at, top : top + height, low:high]
            frames[at, top : top + height, low:high] = under * (1 - mask[:, seen]) + front[:, seen] * mask[:, seen]
    return frames


def _held(dice: Dice, footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    """On twos, threes or fours: each picture is shown for so many frames."""
    make = (_blobs, camera, _layers)[dice.integers(3)]
    hold = int(dice.integers(2, 5))
    held: Pixels = make(dice, footage, size, length)[np.arange(length) // hold * hold]
    return held


PLAIN = (_filmed, _filmed, _filmed, camera, camera, _blobs, _still, _light, _camera_fast, _layers, _held)


def with_vae_loss(dice: Dice, frames: Pixels) -> Pixels:
    """What a VAE does: blur, ±3 % of colour, an error of 22 to 30 dB, of which a part flickers.

    The error is at most 0.6 of the clip's contrast. One clip in six loses at its ends only.
    """
    _, height, width, _ = frames.shape
    gain = (1 + dice.uniform(-0.03, 0.03, 3)).astype(np.float32)
    blur, grain = dice.uniform(0.3, 1.2), dice.uniform(0.4, 2.0)
    contrast = float(frames[[0, -1]].std(axis=(1, 2)).max()) / 255
    amount = min(10 ** (-dice.uniform(22, 30) / 20), 0.6 * contrast)
    flicker = dice.uniform(0, 0.5)
    base, flickering = _error(dice, height, width, grain), _error(dice, height, width, grain)
    ends_only = dice.random() < 1 / 6
    lossy = []
    for at, frame in enumerate(frames):
        if ends_only and 0 < at < len(frames) - 1:
            lossy.append(frame)
            continue
        changed = cv2.GaussianBlur(frame, (0, 0), blur).astype(np.float32) / 255 * gain
        own = float(np.mean((changed - frame.astype(np.float32) / 255) ** 2))
        shift = (int(dice.integers(height)), int(dice.integers(width)))
        error = base * (1 - flicker) + np.roll(flickering, shift, (0, 1)) * flicker
        left = max(0.0, amount**2 - own)
        changed += error * np.sqrt(left / max(float((error * error).mean()), 1e-9))
        lossy.append(np.clip(changed * 255 + 0.5, 0, 255).astype(np.uint8))
    return np.stack(lossy)


def _error(dice: Dice, height: int, width: int, grain: float) -> Floats:
    error = dice.standard_normal((height, width, 3), np.float32)
    return cv2.GaussianBlur(error, (0, 0), grain)
