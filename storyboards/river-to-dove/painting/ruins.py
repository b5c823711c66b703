"""Underwater ruins: a temple on the bed of the river, the light falling through the water."""

from __future__ import annotations

import numpy as np

from painting.brushes import (
    SHAPE,
    Grid,
    blur,
    curve,
    cutout,
    filled,
    hexed,
    lit,
    mix,
    noise,
    places,
    smooth,
    stroked,
)

_LIGHT = (720.0, -150.0)
_STONE = hexed("#cfc7a6")
_ALGAE = hexed("#4d7a5a")


def painted() -> Grid:
    """The canvas."""
    canvas = _water()
    canvas = _temple(canvas)
    canvas = _rays(canvas, 0.20, 3)
    canvas = _bed(canvas)
    canvas = _colonnade(canvas)
    canvas = _fallen(canvas)
    canvas = _fish(canvas)
    canvas = _weeds(canvas)
    canvas = _rays(canvas, 0.30, 1)
    return _drops(canvas)


def _depth_colour() -> Grid:
    x, y = places()
    near = np.sqrt(((x - _LIGHT[0]) / 1.35) ** 2 + (y - _LIGHT[1]) ** 2)
    canvas = mix(np.zeros((*SHAPE, 3), np.float32), hexed("#0b3540"), 1.0)
    canvas = mix(canvas, hexed("#1f6e78"), smooth(900, 330, near))
    canvas = mix(canvas, hexed("#6fc0b4"), smooth(560, 200, near))
    return mix(canvas, hexed("#f4f0cc"), smooth(330, 110, near))


def _water() -> Grid:
    x, y = places()
    canvas = _depth_colour()
    depth = np.maximum(y + 30, 6)
    waves = noise((x - 700) / depth * 2.2, 260 / depth, 4, 2, ridged=True)
    return lit(canvas, hexed("#e8f5d8"), smooth(0.55, 0.95, waves) * smooth(120, 10, y) * 0.7)


def _veiled(colour: Grid, water: Grid, clear: float) -> Grid:
    """A thing as seen through water: less and less of its own colour."""
    return (water + (colour - water) * clear).astype(np.float32)


def _stone(x: Grid, y: Grid, light: Grid, seed: int) -> Grid:
    """Weathered stone under green: `light` 0…1 is how much of the day reaches it."""
    rough, stains = noise(x / 14, y / 14, 5, seed), noise(x / 60, y / 110, 4, seed + 1)
    colour = mix(np.zeros((*x.shape, 3), np.float32), _STONE, 1.0)
    colour = mix(colour, _ALGAE, smooth(0.0, 1.0, stains) * 0.7)
    colour = colour * (1 + 0.16 * rough)[..., None]
    cracks = smooth(0.90, 0.97, noise(x / 50, y / 50, 4, seed + 2, ridged=True))
    colour = mix(colour, (0.10, 0.16, 0.15), cracks * 0.6)
    cool, warm = np.array([0.16, 0.34, 0.38], np.float32), np.array([0.95, 1.02, 0.80], np.float32)
    return (colour * (cool + warm * light[..., None])).astype(np.float32)


def _column(
    canvas: Grid, foot: float, base: float, top: float, wide: float, clear: float, seed: int, *, whole: bool
) -> Grid:
    """A fluted column with its base; whole ones carry a capital, broken ones end in a jagged edge."""
    dice = np.random.default_rng(seed)
    half = wide / 2
    edge = [
        (foot + part * half * 0.86, top + (0 if whole else dice.uniform(-0.3, 0.3) * wide + 0.25 * wide * part))
        for part in np.linspace(-1, 1, 6)
    ]
    shaft = np.array([*edge, (foot + half, base), (foot - half, base)])
    blocks = [(shaft, True)]
    for up, out, tall in ((0.0, 1.35, 0.22), (0.22, 1.18, 0.16)):
        low = base - up * wide
        blocks.append((_box(foot, low, half * out, tall * wide), False))
    if whole:
        cup = [
            (foot - half * 0.86, top + 1),
            (foot - half * 1.3, top - wide * 0.28),
            (foot + half * 1.3, top - wide * 0.28),
            (foot + half * 0.86, top + 1),
        ]
        blocks += [(np.array(cup), False), (_box(foot, top - wide * 0.27, half * 1.5, wide * 0.2), False)]
    for outline, fluted in blocks:
        canvas = _block(canvas, outline, foot, half, clear, seed, fluted=fluted)
    return canvas


def _box(middle: float, low: float, half: float, tall: float) -> np.ndarray:
    return np.array(
        [(middle - half, low), (middle - half, low - tall), (middle + half, low - tall), (middle + half, low)]
    )


def _block(
    canvas: Grid, outline: np.ndarray, foot: float, half: float, clear: float, seed: int, *, fluted: bool
) -> Grid:
    window, x, y, mask = cutout(outline)
    across = np.clip((x - foot) / (np.abs(outline[:, 0] - foot).max()), -0.98, 0.98)
    towards = np.sign(_LIGHT[0] - foot) * 0.55
    light = np.clip(across * towards + np.sqrt(1 - across**2) * 0.62, 0, 1)
    if fluted:
        light = light * (0.86 + 0.14 * np.cos(np.arcsin(across) * 22))
    falling = np.clip(1.15 - (y - 60) / 900, 0.25, 1.1)
    colour = _stone(x, y, (light * falling).astype(np.float32), seed % 3)
    if fluted:
        drum = np.abs(((y - outline[:, 1].max()) / (half * 2.6)) % 1 - 0.5)
        colour = colour * (1 - 0.45 * smooth(0.485, 0.5, drum))[..., None]
    canvas[window] = mix(canvas[window], _veiled(colour, canvas[window], clear), mask)
    return canvas


def _temple(canvas: Grid) -> Grid:
    """The far temple: a gable on six columns, one corner fallen."""
    for foot, top, wide, seed in (
        (330, 330, 20, 31),
        (412, 402, 20, 32),
        (488, 306, 22, 33),
        (930, 360, 22, 34),
        (1030, 318, 20, 35),
    ):
        canvas = _column(canvas, foot, 506, top, wide, 0.17, seed, whole=seed in (31, 33, 35))
    for index, foot in enumerate(np.linspace(560, 850, 6)):
        canvas = _column(canvas, foot, 500, 300 if index < 5 else 385, 26, 0.34, 20 + index, whole=index < 5)
    beam = np.array([(538, 292), (538, 262), (838, 262), (826, 276), (834, 292)])
    gable = np.array([(530, 262), (696, 186), (742, 207), (748, 224), (802, 250), (838, 262)])
    for outline in (beam, gable):
        canvas = _block(canvas, outline, 690, 200, 0.32, 5, fluted=False)
    inner = np.array([(560, 256), (694, 197), (735, 216), (742, 232), (790, 256)])
    window, _, _, mask = cutout(inner)
    canvas[window] = canvas[window] * (1 - 0.16 * mask[..., None])
    for number, (x, y, size) in enumerate(((880, 508, 30), (915, 512, 22), (500, 508, 26), (460, 515, 18))):
        canvas = _rubble(canvas, x, y, size, 0.36, number)
    return canvas


def _rubble(canvas: Grid, x: float, y: float, size: float, clear: float, seed: int) -> Grid:
    """A broken block: a rough outline, its top in the light and its face in shadow."""
    dice = np.random.default_rng(seed + 60)
    angles = np.linspace(0, 2 * np.pi, 13, endpoint=False) + dice.uniform(-0.12, 0.12, 13)
    box = 1 / np.maximum(np.abs(np.cos(angles + 0.3)), np.abs(np.sin(angles + 0.3))) ** 0.7
    reach = dice.uniform(0.80, 1.0, 13) * size * box
    outline = np.stack([x + np.cos(angles) * reach, y + np.sin(angles) * reach * 0.52], 1)
    window, px, py, mask = cutout(outline)
    ridge = y - size * (0.10 + 0.16 * np.sin((px - x) / size * 2 + seed))
    light = (
        0.20 + 0.62 * smooth(4, -4, py - ridge) + 0.10 * noise(px / 12, py / 9, 4, seed % 4) + 0.12 * (x - px) / size
    )
    stone = _stone(px, py, np.clip(light, 0.04, 1).astype(np.float32), seed % 3)
    stone = stone * (1 - 0.45 * smooth(y, y + size * 0.5, py))[..., None]
    canvas[window] = mix(canvas[window], _veiled(stone, canvas[window], clear), mask)
    return canvas


def _fallen(canvas: Grid) -> Grid:
    """A column that lies across the middle of the picture, broken in two."""
    for left, right, y0, y1, wide in ((548, 690, 622, 636, 50), (708, 838, 640, 628, 52)):
        tilt = (y1 - y0) / (right - left)
        outline = np.array(
            [
                (left, y0 - wide / 2),
                (right, y1 - wide / 2),
                (right + 9, y1),
                (right, y1 + wide / 2),
                (left, y0 + wide / 2),
                (left - 7, y0),
            ]
        )
        canvas = _shadow(canvas, (left + right) / 2, (y0 + y1) / 2 + wide * 0.5, (right - left) * 0.55)
        window, x, y, mask = cutout(outline)
        across = np.clip((y - y0 - (x - left) * tilt) / (wide / 2), -0.98, 0.98)
        round_light = np.clip(-0.62 * across + 0.55 * np.sqrt(1 - across**2) + 0.10, 0.05, 1)
        flutes = 0.84 + 0.16 * np.cos(np.arcsin(across) * 20)
        stone = _stone(x, y, (round_light * flutes).astype(np.float32), 1)
        joint = np.abs(((x - left) / 62) % 1 - 0.5)
        stone = stone * (1 - 0.4 * smooth(0.48, 0.5, joint))[..., None]
        canvas[window] = mix(canvas[window], _veiled(stone, canvas[window], 0.80), mask)
    return canvas


def _bed(canvas: Grid) -> Grid:
    """Sand in ripples, with the net of light that waves throw on it."""
    x, y = places()
    edge = 508 + 7 * noise(x / 120, x * 0, 3, 4)
    away = 60 / np.maximum(y - 470, 4)
    across = (x - 690) / 260 * away
    ripples = noise(across * 1.4 + 0.5 * noise(across, away * 4, 3, 1), away * 26, 3, 3)
    bend = 0.35 * noise(across * 2.2, away * 6, 3, 5)
    net = noise(across * 5.5 + bend, away * 21 + bend, 2, 2, ridged=True)
    net = smooth(0.35, 1.0, net) * smooth(2.2, 0.5, away)
    colour = mix(np.zeros((*SHAPE, 3), np.float32), hexed("#5f8f82"), 1.0) * (1 + 0.16 * ripples)[..., None]
    near = np.exp(-(((x - 700) / 420) ** 2))
    colour = colour * (0.40 + 0.55 * near)[..., None]
    colour = lit(colour, hexed("#eef3c4"), net * (0.25 + 0.55 * near))
    clear = smooth(1.55, 0.25, away) * 0.75 + 0.2
    return mix(canvas, colour, smooth(0, 10, y - edge) * clear)


def _colonnade(canvas: Grid) -> Grid:
    """Columns that come nearer on both sides, and one that has fallen across the foreground."""
    rows = (
        (395, 545, 210, 44, 0.50, 1, True),
        (985, 550, 330, 46, 0.52, 2, False),
        (262, 590, 120, 66, 0.68, 3, True),
        (1105, 600, 90, 72, 0.72, 4, True),
        (84, 690, -60, 112, 0.90, 5, True),
        (1238, 720, 250, 120, 0.92, 6, False),
    )
    for foot, base, top, wide, clear, seed, whole in rows:
        canvas = _shadow(canvas, foot, base, wide)
        canvas = _column(canvas, foot, base, top, wide, clear, seed, whole=whole)
    for number, (x, y, size) in enumerate(
        (
            (430, 640, 44),
            (500, 668, 28),
            (930, 640, 36),
            (880, 700, 50),
            (330, 700, 40),
            (900, 606, 20),
            (640, 682, 18),
            (700, 700, 12),
            (470, 596, 16),
            (1010, 700, 26),
        )
    ):
        canvas = _shadow(canvas, x, y + size * 0.4, size * 1.2)
        canvas = _rubble(canvas, x, y, size, 0.88, number + 10)
    return canvas


def _shadow(canvas: Grid, x: float, y: float, wide: float) -> Grid:
    px, py = places()
    dark = np.exp(-(((px - x) / (wide * 0.95)) ** 2) - ((py - y) / (wide * 0.22)) ** 2)
    return (canvas * (1 - 0.55 * dark)[..., None]).astype(np.float32)


def _rays(canvas: Grid, strength: float, seed: int) -> Grid:
    x, y = places()
    angle = np.arctan2(x - _LIGHT[0], y - _LIGHT[1])
    shafts = smooth(0.05, 1.1, noise(angle * 7, angle * 0 + seed, 4, seed) + 0.1)
    fade = np.exp(-np.abs(angle) * 1.3) * smooth(760, 60, y) * smooth(-10, 60, y)
    return lit(canvas, hexed("#dff3cf"), shafts * fade * strength * 1.6)


def _fish(canvas: Grid) -> Grid:
    """A shoal that turns in the light."""
    dice = np.random.default_rng(9)
    school = np.zeros(SHAPE, np.float32)
    for _ in range(110):
        turn = dice.uniform(0, 1)
        x = 470 + 330 * turn + dice.normal(0, 26)
        y = 175 + 70 * np.sin(turn * 3.3) + dice.normal(0, 17)
        size, lean = dice.uniform(2.6, 6), 0.7 * np.cos(turn * 3.3) * 0.6
        body = np.array(
            [(1, 0), (0.4, -0.24), (-0.5, -0.08), (-1, -0.3), (-0.85, 0), (-1, 0.3), (-0.5, 0.08), (0.4, 0.24)]
        )
        spin = np.array([(np.cos(lean), np.sin(lean)), (-np.sin(lean), np.cos(lean))])
        school = filled(curve(body @ spin * size + (x, y), closed=True, fine=4), school)
    return mix(canvas, hexed("#123f48"), school * 0.72)


def _weeds(canvas: Grid) -> Grid:
    """Grass of the river in the corners of the foreground, swaying one way."""
    dice = np.random.default_rng(4)
    for middle, spread, count in ((190, 70, 26), (1010, 60, 20), (620, 40, 8), (1180, 60, 18), (20, 40, 12)):
        for _ in range(count):
            x = middle + dice.normal(0, spread * 0.5)
            tall = dice.uniform(40, 150) * (0.5 if middle == 620 else 1)
            sway = tall * dice.uniform(0.1, 0.35)
            foot = 722 if middle != 620 else 676
            line = curve(
                [
                    (x, foot),
                    (x - sway * 0.2, foot - tall * 0.4),
                    (x + sway * 0.5, foot - tall * 0.75),
                    (x + sway, foot - tall),
                ]
            )
            window, _, y, mask = cutout(np.vstack([line - 3, line + 3]), 4)
            blade = stroked(line, 5, 0.6, belly=2)[window]
            colour = mix(np.zeros((*mask.shape, 3), np.float32), hexed("#1d4a3f"), 1.0)
            colour = mix(colour, hexed("#8fae62"), smooth(foot, foot - 150, y) * dice.uniform(0.4, 0.9))
            canvas[window] = mix(canvas[window], colour, blade * 0.92)
    return canvas


def _drops(canvas: Grid) -> Grid:
    """Motes in the light and a string of bubbles."""
    dice = np.random.default_rng(5)
    x, y = places()
    motes = np.zeros(SHAPE, np.float32)
    for _ in range(420):
        spot = (dice.normal(700, 300), dice.uniform(0, 700))
        motes = filled(
            curve(
                [
                    (spot[0] + r * np.cos(a), spot[1] + r * np.sin(a))
                    for r in (dice.uniform(0.4, 1.5),)
                    for a in (0, 1.6, 3.1, 4.7)
                ],
                closed=True,
                fine=3,
            ),
            motes,
        )
    canvas = lit(canvas, hexed("#f2f7d8"), blur(motes, 0.5) * 0.5)
    for _ in range(26):
        rise = dice.uniform(0, 1)
        middle = (835 + 26 * np.sin(rise * 9) + dice.normal(0, 7), 600 - 470 * rise)
        size = 1.5 + 4.5 * rise * dice.uniform(0.5, 1)
        gap = np.sqrt((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / size
        near = gap < 1.3
        ring = smooth(0.55, 0.95, gap) * smooth(1.15, 1.0, gap) * near
        canvas = lit(canvas, hexed("#e6f6e6"), ring * 0.6)
    return canvas
