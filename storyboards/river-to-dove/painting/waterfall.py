"""A lake under a waterfall: the fall comes down a wooded cliff in veils, its mist drifts over still water."""

from __future__ import annotations

import cv2
import numpy as np

from painting.brushes import (
    GOLD,
    SCALE,
    SHAPE,
    Grid,
    blur,
    curve,
    cutout,
    hexed,
    lit,
    mix,
    noise,
    pine,
    places,
    smooth,
)
from painting.mountains import Range, standing
from painting.terrain import Camera

_SHORE = 498.0
_SUN = (250.0, 120.0)
_ALPS = Range(
    camera=Camera(height=0.25, horizon=498, focal=1000, near=5, far=40, steps=700),
    begins=6.5,
    tall=5.8,
    shift=4.1,
    sun=(-0.72, 0.52, 0.10),
    air=hexed("#b4c6c2"),
    far_air=hexed("#f0dcb4"),
)


def painted() -> Grid:
    """The canvas."""
    canvas = _sky()
    canvas = _mountains(canvas)
    canvas = _cliff(canvas)
    canvas = _falls(canvas)
    canvas = _shore(canvas)
    canvas = _mist(canvas)
    canvas = _lake(canvas)
    canvas = _stones(canvas)
    return _front(canvas)


def _plain(colour: str, shape: tuple[int, ...] = SHAPE) -> Grid:
    return np.broadcast_to(np.asarray(hexed(colour), np.float32), (*shape, 3)).copy()


def _sky() -> Grid:
    x, y = places()
    canvas = mix(_plain("#f4dcae"), hexed("#7fb0b6"), smooth(380, -80, y))
    clouds = smooth(0.0, 0.9, noise(x / 260, y / 85, 6, 4) + 0.1)
    canvas = mix(canvas, hexed("#fff1d6"), clouds * 0.75 * smooth(420, 120, y))
    far = np.sqrt((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2)
    return lit(canvas, GOLD, 0.85 * np.exp(-far / 190))


def _relief(height: Grid, strength: float) -> Grid:
    """How a rough wall takes the light from the upper left, about 0…1."""
    down, right = np.gradient(height * strength * SCALE)
    return np.clip(0.5 + (right * 0.8 + down * 0.6) * -0.5, 0, 1).astype(np.float32)


def _mountains(canvas: Grid) -> Grid:
    """Snow mountains beyond the lake, and wooded foothills in the haze."""
    canvas = standing(canvas, _ALPS)
    x, y = places()
    for number, (level, tall, wood, haze) in enumerate(((432, 40, "#5f8680", 0.45), (466, 34, "#41695f", 0.40))):
        crest = level - tall * noise(x / (150 - 40 * number), x * 0 + 2 * number, 5, number + 1) + 0.05 * (x - 300)
        tops = noise(x / 5, y / 14, 3, number, ridged=True)
        colour = _plain(wood) * (0.70 + 0.45 * tops)[..., None]
        colour = mix(colour, hexed("#f2dcb2"), haze * smooth(-20, 70, y - crest) + 0.10)
        canvas = mix(canvas, colour, smooth(-2, 2, y - crest + 5 * tops))
    return canvas


def _rim(x: Grid) -> Grid:
    """The cliff's upper edge: from the lake at the left, up in steps, with a notch where the water leaves."""
    line = np.interp(
        x,
        (430, 470, 520, 575, 620, 690, 735, 770, 835, 870, 930, 1010, 1090, 1180, 1290),
        (512, 440, 400, 310, 268, 214, 200, 224, 222, 176, 150, 128, 96, 84, 40),
    )
    return (line + 16 * noise(x / 70, x * 0, 4, 3)).astype(np.float32)


def _cliff(canvas: Grid) -> Grid:
    """Rock in upright pillars and broken steps, grass on its ledges, dark where the spray keeps it wet."""
    x, y = places()
    rim = _rim(x)
    bend = 14 * noise(x / 90, y / 90, 3, 1)
    pillar = np.floor((x + bend) / 23)
    step = np.floor((y - rim + 3 * bend) / 64 + noise(pillar * 0.7, pillar * 0, 1, 3))
    blocks = noise(pillar * 0.73, step * 0.61, 1, 4)
    wall = 0.60 * noise((x + bend) / 58, y / 130, 6, 0, 0.52, ridged=True) + 0.28 * noise(x / 40, y / 26, 5, 2)
    light = _relief(wall + 0.16 * blur(blocks, 1.2), 13)
    colour = mix(_plain("#5a625a"), hexed("#c3ad84"), smooth(0.35, 0.95, light))
    colour = mix(colour, hexed("#223638"), smooth(0.48, 0.12, light) * 0.85)
    colour = colour * (1 + 0.12 * blocks)[..., None]
    growth = (
        noise(x / 90, (y - 0.5 * rim) / 24, 5, 4) + 0.25 * blocks + 0.5 * (light - 0.5) + 0.6 * smooth(60, 0, y - rim)
    )
    leaves = noise(x / 4, y / 4, 3, 1)
    green = mix(_plain("#264b3b"), hexed("#9aa05a"), smooth(-0.1, 1.1, 0.45 * leaves + light - 0.3))
    colour = mix(colour, green, smooth(0.08, 0.5, growth) * 0.9)
    colour = colour * (0.72 + 0.38 * smooth(1250, 450, x))[..., None]
    colour = mix(colour, hexed("#1a2f33"), np.exp(-(((x - 803) / 70) ** 2)) * 0.6)
    colour = mix(colour, hexed("#dcd8ba"), 0.06 + 0.34 * smooth(240, 500, y) * smooth(1200, 650, x))
    canvas = mix(canvas, colour, smooth(0, 2, y - rim))
    return _trees_on(canvas, rim)


def _trees_on(canvas: Grid, rim: Grid) -> Grid:
    """A wood along the edge, its left sides in the light."""
    dice = np.random.default_rng(8)
    for number in range(190):
        foot = dice.uniform(500, 1300)
        back = number < 80
        level = float(rim[0, int(np.clip(foot * SCALE, 0, SHAPE[1] - 1))]) + (
            dice.uniform(2, 8) if back else dice.uniform(4, 46)
        )
        if 752 < foot < 848:
            continue
        tall = dice.uniform(22, 58) * (0.8 + foot / 3000)
        canvas = _tree(
            canvas,
            foot,
            level,
            tall,
            int(dice.integers(1 << 30)),
            "#4d6f5f" if back else "#2b5146",
            0.25 if back else 0.08,
        )
    return canvas


def _tree(canvas: Grid, foot: float, level: float, tall: float, seed: int, colour: str, haze: float) -> Grid:
    window, x, y, mask = cutout(pine(foot, level, tall, seed, wide=0.38))
    shade = _plain(colour, mask.shape) * (1 + 0.30 * noise(x / 2.2, y / 2.2, 2, 1))[..., None]
    shade = mix(shade, hexed("#c8b870"), smooth(foot + tall * 0.02, foot - tall * 0.16, x) * 0.45)
    shade = mix(shade, hexed("#efdcb2"), haze)
    canvas[window] = mix(canvas[window], shade, mask)
    return canvas


def _falls(canvas: Grid) -> Grid:
    """The water: one broad veil in two leaps, thin threads beside it."""
    x, y = places()
    strands = (
        (800, 32, 222, 392, 6, 1.0),
        (806, 46, 380, 505, 16, 1.0),
        (764, 5, 236, 420, 8, 0.7),
        (852, 7, 226, 470, 10, 0.75),
        (690, 4, 300, 492, 7, 0.55),
        (1020, 5, 210, 480, 9, 0.6),
        (1034, 3, 260, 480, 6, 0.45),
    )
    for number, (middle, half, top, foot, spread, share) in enumerate(strands):
        fallen = np.clip((y - top) / (foot - top), 0, 1)
        sway = 5 * np.sin(fallen * 5 + number) + 4 * noise(y / 50, y * 0 + number, 3, 1)
        width = half + spread * fallen + 4 * noise(x * 0 + number, y / 18, 3, 2)
        across = (x - middle - sway) / np.maximum(width, 1)
        threads = noise(across * half / 7 + number, (y - 40 * np.abs(across)) / 85, 5, 3, 0.6)
        body = (
            smooth(1.08, 0.72, np.abs(across) + 0.28 * threads)
            * smooth(top - 2, top + 5, y)
            * smooth(foot + 8, foot - 30, y)
        )
        rocks = smooth(0.9, 0.6, noise(across * 2.2 + 5 * number, y / 60, 3, 4)) if half > 20 else 1.0
        light = np.clip(0.84 + 0.20 * threads - 0.16 * across, 0.45, 1.1)
        colour = _plain("#f6f3e6") * light[..., None]
        colour = mix(colour, hexed("#9fc3c4"), np.clip(0.42 - 0.5 * threads, 0, 0.6))
        canvas = mix(canvas, colour, body * rocks * share)
    return canvas


def _shore(canvas: Grid) -> Grid:
    """The far shore: meadow, boulders and single firs."""
    x, y = places()
    edge = _SHORE - 16 - 14 * noise(x / 130, x * 0, 4, 5) - 16 * smooth(420, 0, x)
    tufts = noise(x / 8, y / 5, 4, 2)
    colour = mix(_plain("#7d8a4a"), hexed("#d3bc72"), smooth(-0.3, 0.7, noise(x / 60, y / 12, 3, 1)))
    colour = colour * (0.85 + 0.25 * tufts)[..., None]
    gap = smooth(70, 120, np.abs(x - 806))
    canvas = mix(canvas, colour, smooth(0, 3, y - edge) * smooth(_SHORE + 1, _SHORE, y) * gap)
    dice = np.random.default_rng(14)
    for _ in range(95):
        foot = dice.choice((dice.uniform(-20, 470), dice.uniform(900, 1300), dice.uniform(480, 700)))
        level = _SHORE - dice.uniform(2, 20)
        near = dice.uniform(0, 1)
        canvas = _tree(
            canvas, foot, level, 40 + 75 * near**2, int(dice.integers(1 << 30)), "#315a4a", 0.30 - 0.22 * near
        )
    return canvas


def _mist(canvas: Grid) -> Grid:
    x, y = places()
    clouds = 0.75 + 0.45 * noise(x / 70, y / 45, 5, 3)
    foot = np.exp(-(((x - 806) / 130) ** 2) - ((y - 492) / 46) ** 2)
    leap = np.exp(-(((x - 803) / 60) ** 2) - ((y - 392) / 26) ** 2) * 0.55
    drift = np.exp(-(((x - 620) / 330) ** 2) - ((y - 470) / 34) ** 2) * 0.5
    canvas = mix(canvas, hexed("#fbf3df"), np.clip((foot + leap + drift) * clouds, 0, 0.96))
    far = np.sqrt((x - 250) ** 2 + (y - 330) ** 2)
    return lit(canvas, GOLD, 0.30 * np.exp(-far / 260))


def _lake(canvas: Grid) -> Grid:
    """The lake: the world upside down, broken by ripples that widen towards us."""
    x, y = places()
    near = np.clip((y - _SHORE) / (720 - _SHORE), 0, 1)
    wave = noise(x / (60 + 190 * near), np.sqrt(np.maximum(y - _SHORE, 0)) * 2.1, 4, 2)
    small = noise(x / (16 + 50 * near), np.sqrt(np.maximum(y - _SHORE, 0)) * 6, 3, 4)
    up = (2 * _SHORE - y) * 1.0 + (6 + 26 * near) * wave * near + 3 * small * near
    side = x + (2 + 10 * near) * small
    mirror = cv2.remap(
        blur(canvas, 1.2),
        side * SCALE,
        np.clip(up, 0, _SHORE - 1) * SCALE,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    colour = mix(
        mirror * np.array([0.80, 0.90, 0.90], np.float32), hexed("#1b5f66"), 0.12 + 0.42 * smooth(0.15, 1.0, near)
    )
    colour = lit(
        colour,
        hexed("#fbe8c0"),
        smooth(0.55, 1.5, wave + 0.6 * small) * (0.12 + 0.30 * np.exp(-(((x - 330) / 260) ** 2))),
    )
    foam = np.exp(-(((x - 806) / 190) ** 2) - ((y - _SHORE) / 16) ** 2) * (0.6 + 0.5 * small)
    colour = mix(colour, hexed("#fbf5e6"), np.clip(foam, 0, 0.9))
    return mix(canvas, colour, smooth(-0.6, 0.6, y - _SHORE))


def _stones(canvas: Grid) -> Grid:
    """Boulders in the shallows of the foreground, wet and mossy."""
    dice = np.random.default_rng(21)
    for x, y, size in (
        (1130, 668, 84),
        (1010, 690, 46),
        (1235, 640, 60),
        (930, 712, 34),
        (640, 716, 26),
        (560, 690, 15),
        (1060, 618, 22),
    ):
        angles = np.linspace(0, 2 * np.pi, 11, endpoint=False)
        reach = dice.uniform(0.82, 1.08, 11) * size
        outline = curve(
            np.stack(
                [x + np.cos(angles) * reach, y + np.sin(angles) * reach * np.where(np.sin(angles) > 0, 0.26, 0.56)], 1
            ),
            closed=True,
        )
        window, px, py, mask = cutout(outline)
        rough = noise(px / 26, py / 20, 5, 1)
        light = np.clip(0.50 - (px - x) / size * 0.34 - (py - y) / size * 0.55 + 0.20 * rough, 0.05, 1.1)
        colour = mix(_plain("#2a3a3b", mask.shape), hexed("#b3a585"), smooth(0.1, 1.0, light))
        moss = smooth(0.1, 0.6, noise(px / 30, py / 14, 4, 3) + 0.5 - (py - y + size * 0.4) / size)
        colour = mix(colour, np.asarray(hexed("#74803f"), np.float32) * (0.4 + 0.8 * light)[..., None], moss * 0.8)
        colour = mix(colour, hexed("#122426"), smooth(y + size * 0.02, y + size * 0.24, py) * 0.8)
        canvas[window] = mix(canvas[window], colour.astype(np.float32), mask)
    return canvas


def _front(canvas: Grid) -> Grid:
    """A fir and reeds at the left, close to the eye."""
    dice = np.random.default_rng(3)
    for foot, level, tall in ((-10, 760, 800), (92, 745, 520)):
        window, x, y, mask = cutout(pine(foot, level, tall, int(dice.integers(1 << 30)), wide=0.40))
        colour = _plain("#122b2b", mask.shape) * (1 + 0.25 * noise(x / 2.5, y / 2.5, 2, 4))[..., None]
        canvas[window] = mix(canvas[window], colour, mask)
    for _ in range(130):
        x = dice.normal(150, 130)
        tall = dice.uniform(40, 150) * np.exp(-(((x - 100) / 240) ** 2))
        sway = dice.normal(0.10, 0.14) * tall
        line = curve([(x, 726), (x + sway * 0.3, 726 - tall * 0.6), (x + sway, 726 - tall)], fine=6)
        outline = np.vstack([line[:-1] - (1.4, 0), line[-1:], line[-2::-1] - (-1.4, 0)])
        window, _, y, mask = cutout(outline)
        colour = mix(
            _plain("#152b26", mask.shape),
            hexed("#b89c52"),
            smooth(726 - tall * 0.3, 726 - tall, y) * dice.uniform(0.2, 0.8),
        )
        canvas[window] = mix(canvas[window], colour, mask * 0.92)
    return canvas
