"""A stag by the road at the end of the day: the sun stands low behind the firs, mist lies in the wood."""

from __future__ import annotations

import numpy as np

from painting.brushes import (
    GOLD,
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
    pine,
    places,
    rounded,
    smooth,
    stroked,
)

_SUN = (470.0, 262.0)
_GROUND = 640.0
"""The row that the stag stands on."""

_PIXELS = 3.35
"""Picture pixels for each unit of the stag, whose hoofs stand at y 100 and whose back is at about y 40."""

_PLACE = (735.0, _GROUND - 100 * _PIXELS)


def painted() -> Grid:
    """The canvas."""
    canvas = _sky()
    canvas = _hills(canvas)
    canvas = _wood(canvas)
    canvas = _road(canvas)
    canvas = _beams(canvas)
    canvas = _stag(canvas)
    canvas = _grass(canvas)
    return _front(canvas)


def _sky() -> Grid:
    x, y = places()
    canvas = mix(np.zeros((*SHAPE, 3), np.float32), hexed("#f6d9a4"), 1.0)
    canvas = mix(canvas, hexed("#7fa6a6"), smooth(330, -120, y))
    clouds = smooth(0.0, 0.8, noise(x / 300, y / 60, 5, 3))
    canvas = mix(canvas, hexed("#fbe6c0"), clouds * 0.5)
    far = np.sqrt((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2)
    canvas = lit(canvas, GOLD, 0.9 * np.exp(-far / 150))
    return lit(canvas, (1, 0.97, 0.88), smooth(33, 25, far))


def _hills(canvas: Grid) -> Grid:
    x, y = places()
    for number, (level, tall, colour) in enumerate(((300, 70, "#c9c3a0"), (335, 60, "#a3ad94"), (365, 46, "#7d9587"))):
        crest = level - tall * noise(x / (300 - 40 * number), x * 0 + number, 5, number + 1)
        canvas = mix(canvas, hexed(colour), smooth(0, 2, y - crest))
        canvas = mix(canvas, hexed("#f3ddb0"), smooth(20, 110, y - crest) * 0.55)
    return canvas


def _wood(canvas: Grid) -> Grid:
    """Rows of firs, each nearer, darker and more apart at the road."""
    dice = np.random.default_rng(12)
    x, y = places()
    rows = (
        (425, 70, 64, "#8b9c83", 60),
        (452, 120, 40, "#64806f", 110),
        (490, 200, 26, "#3b5f57", 190),
        (545, 330, 13, "#1f4145", 330),
    )
    for level, tall, count, colour, gap in rows:
        for _ in range(count):
            foot = dice.uniform(-40, 1320)
            if abs(foot - 470) < gap:
                continue
            height = tall * dice.uniform(0.6, 1.25) * (1 + 0.25 * min(abs(foot - 470) / 600, 1))
            outline = pine(foot, level + dice.uniform(-6, 10), height, int(dice.integers(1 << 30)))
            window, px, py, mask = cutout(outline)
            near_sun = np.exp(-(((px - _SUN[0]) / 300) ** 2) - ((py - _SUN[1]) / 260) ** 2)
            shade = mix(np.zeros((*mask.shape, 3), np.float32), hexed(colour), 1.0)
            shade = shade * (1 + 0.20 * noise(px / 2.4, py / 2.4, 2, 1))[..., None]
            shade = mix(shade, hexed("#f5cf8b"), near_sun * 0.6)
            shade = mix(shade, hexed("#e9d7ad"), smooth(level - tall * 0.55, level + 8, py) * 0.62)
            canvas[window] = mix(canvas[window], shade, mask)
        drift = smooth(-0.5, 0.8, noise(x / 240, y / 40, 4, level % 5)) * np.exp(-(((y - level) / 26) ** 2))
        canvas = mix(canvas, hexed("#f4dfb2"), drift * 0.75)
    return canvas


def _middle_of_road(near: Grid) -> Grid:
    return 470 + 120 * np.sin(near * 2.4) * near - 420 * near**2.1


def _verge(y: float) -> float:
    """The right edge of the road at a row."""
    near = np.float32(np.clip((y - 470) / 250, 0, 1))
    return float(_middle_of_road(near) + 9 + 265 * near**1.25)


def _turf(x: Grid, y: Grid, near: Grid) -> Grid:
    """Upright blades, finer where they are far: three sizes, one fading into the next."""
    far, middle, close = (noise(x / size, y / (2.6 * size), 3, 4) for size in (2.5, 5.0, 10.0))
    nearer = smooth(0.15, 0.45, near)
    return far + (middle - far) * nearer + (close - middle) * smooth(0.5, 0.9, near)


def _road(canvas: Grid) -> Grid:
    """Meadow, and the road that comes out of the light in one bend."""
    x, y = places()
    edge = 470 + 6 * noise(x / 200, x * 0, 4, 2)
    near = np.clip((y - 470) / 250, 0, 1)
    away = 40 / np.maximum(y - 432, 8)
    clumps = noise((x - 470) / 90 * away, 9 * away, 4, 1)
    turf = _turf(x, y, near)
    meadow = mix(np.zeros((*SHAPE, 3), np.float32), hexed("#d8b468"), 1.0)
    meadow = mix(meadow, hexed("#3d5a41"), smooth(0.0, 0.7, near + 0.12 * clumps) * 0.92)
    meadow = mix(meadow, hexed("#9a8d45"), smooth(0.1, 0.9, clumps) * (1 - 0.6 * near) * 0.7)
    meadow = meadow * (1 + 0.24 * turf * (0.5 + 0.5 * near))[..., None]
    warm = np.exp(-(((x - _SUN[0]) / 420) ** 2)) * smooth(0.9, 0.0, near)
    meadow = lit(meadow, GOLD, 0.30 * warm + 0.18 * smooth(0.4, 1.2, turf) * smooth(1300, 300, x))
    canvas = mix(canvas, meadow, smooth(0, 14, y - edge))
    middle = _middle_of_road(near)
    half = 9 + 265 * near**1.25
    across = (x - middle) / half + 0.07 * noise(x / 26, y / 12, 4, 5)
    gravel = noise(across * 9, 60 * away, 4, 0) * 0.5 + 0.5 * noise(x / 3, y / 2, 3, 2)
    surface = mix(np.zeros((*SHAPE, 3), np.float32), hexed("#f3d49a"), 1.0)
    surface = mix(surface, hexed("#75705f"), smooth(0.0, 0.8, near) * 0.9)
    ruts = np.exp(-(((np.abs(across) - 0.46) / 0.13) ** 2))
    surface = surface * (1 + 0.11 * gravel - 0.22 * ruts * (0.4 + near))[..., None]
    middle_grass = np.exp(-((across / 0.16) ** 2)) * smooth(-0.3, 0.5, turf) * smooth(0.05, 0.3, near)
    surface = mix(surface, hexed("#6d6f3e"), middle_grass * 0.6)
    surface = lit(surface, GOLD, 0.5 * np.exp(-(((x - middle) / (half * 1.2)) ** 2)) * smooth(0.8, 0.0, near))
    return mix(canvas, surface, smooth(1.05, 0.90, np.abs(across) + 0.10 * turf * near) * smooth(4, 18, y - edge))


def _beams(canvas: Grid) -> Grid:
    """The sun's light through the trees."""
    x, y = places()
    angle = np.arctan2(x - _SUN[0], y - _SUN[1] + 60)
    shafts = smooth(0.0, 1.2, noise(angle * 6, angle * 0, 4, 2) + 0.2)
    far = np.sqrt((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2)
    canvas = lit(canvas, GOLD, shafts * np.exp(-far / 330) * smooth(20, 160, far) * 0.55)
    return lit(canvas, hexed("#ffdf9f"), 0.42 * np.exp(-far / 170))


_BODY = (
    (4, 22.5),
    (9, 18.4),
    (14.5, 14.4),
    (18, 11.2),
    (22, 10.6),
    (26, 14.5),
    (31, 23),
    (37, 32),
    (44, 37.6),
    (52, 40.6),
    (62, 40.8),
    (71, 39.2),
    (79, 40.6),
    (85, 45.5),
    (88, 53),
    (87.4, 61),
    (84, 67),
    (78, 68),
    (72, 65.2),
    (62, 67.6),
    (52, 70.6),
    (42, 72.5),
    (34, 71),
    (28.5, 66),
    (25, 58),
    (22.6, 49),
    (20.6, 40),
    (18.4, 32.5),
    (15.4, 28.6),
    (10, 28.2),
    (5.4, 27.4),
    (3.2, 25),
)
_HIND = (
    (73, 50),
    (71, 60),
    (72.2, 67.5),
    (75.6, 73.4),
    (79.3, 79),
    (78.6, 85),
    (77, 91.4),
    (75.6, 95.6),
    (73.4, 99.2),
    (74, 100.2),
    (78.6, 100.2),
    (79.4, 97),
    (80.3, 91.6),
    (82, 85),
    (84.6, 79),
    (84, 74.4),
    (85, 69),
    (88, 61),
    (88.4, 52),
    (82, 44),
)
_FORE = (
    (31, 56),
    (30.8, 64),
    (33, 72),
    (34, 79.6),
    (33.8, 83),
    (33.2, 90.6),
    (32.6, 95.2),
    (30.2, 99.2),
    (30.8, 100.2),
    (35.2, 100.2),
    (36, 96.6),
    (36.2, 90.8),
    (37.2, 83.4),
    (38, 79.6),
    (40.4, 72),
    (44, 63),
    (41, 54),
)
_EAR = ((21, 12.6), (24.4, 8.6), (30.6, 6.6), (34.4, 7.4), (31.6, 11.6), (26, 14.8))
_FAR_EAR = ((18.5, 11.5), (17.2, 6.5), (15.4, 1.8), (13.8, 5.4), (14.8, 10))
_TAIL = ((85.6, 46.2), (89.6, 49), (90.6, 55), (88.6, 58), (86.4, 53))
_ANTLER = (
    (((20.4, 11), (23, 3), (28.5, -6), (30.5, -16), (27, -27), (22.5, -33)), 2.6, 0.5),
    (((20.9, 8.4), (16.5, 6.6), (11.6, 2.6), (9.4, -2.6)), 1.9, 0.3),
    (((23.4, 2.2), (19, -0.6), (14.6, -5.4), (13.2, -10)), 1.7, 0.3),
    (((29.3, -8.6), (25, -11.6), (21, -16.4), (20, -21)), 1.7, 0.3),
    (((30, -18.6), (33, -24), (34.4, -31)), 1.6, 0.3),
    (((28.8, -23.4), (28.6, -29), (29.8, -35.6)), 1.4, 0.3),
)


def _put(
    points: tuple[tuple[float, float], ...], move: tuple[float, float] = (0, 0), *, closed: bool = True
) -> np.ndarray:
    return curve(
        [((x + move[0]) * _PIXELS + _PLACE[0], (y + move[1]) * _PIXELS + _PLACE[1]) for x, y in points], closed=closed
    )


def _stag(canvas: Grid) -> Grid:
    canvas = _cast(canvas)
    far = filled(_put(_HIND, (-6.5, -1.2)))
    far = filled(_put(_FORE, (6.0, -1.0)), far)
    canvas = _fur(canvas, far, 5, dark=0.50)
    canvas = _fur(canvas, filled(_put(_FAR_EAR)), 3, dark=0.7)
    canvas = _antler(canvas, (-5.2, 0.6), 0.8, lean=-0.34)
    body = filled(_put(_BODY))
    canvas = _fur(canvas, filled(_put(_TAIL)), 4, dark=1.25)
    canvas = _fur(canvas, body, 15, dark=1.0)
    for limb in (_HIND, _FORE):
        canvas = _limb(canvas, limb, body)
    canvas = _face(canvas)
    canvas = _fur(canvas, filled(_put(_EAR)), 3, dark=0.9)
    return _antler(canvas, (0, 0), 1.0, lean=0.0)


def _limb(canvas: Grid, points: tuple[tuple[float, float], ...], body: Grid) -> Grid:
    """A near leg: where it joins the body it fades into it."""
    _, y = places()
    mask = filled(_put(points))
    height = (y - _PLACE[1]) / _PIXELS
    part = np.maximum(smooth(57, 70, height), 1 - body)
    return mix(canvas, _fur(canvas, mask, 7, dark=0.92), mask * part)


def _fur(canvas: Grid, mask: Grid, radius: float, dark: float) -> Grid:
    """Brown fur in the evening: cool from the sky, and a rim of gold where it turns to the sun."""
    x, y = places()
    right, down, to_us = rounded(mask, radius * _PIXELS * 0.72)
    hair = noise((x + 0.6 * y) / 9, (y - 0.3 * x) / 3.2, 4, 3)
    patches = noise(x / 60, y / 50, 3, 1)
    height = np.clip((y - _PLACE[1]) / _PIXELS, -40, 100)
    colour = mix(np.zeros((*SHAPE, 3), np.float32), hexed("#8a5c38"), 1.0)
    colour = mix(colour, hexed("#a97c4e"), smooth(-0.3, 0.8, patches) * 0.5)
    colour = mix(colour, hexed("#4b3426"), smooth(66, 88, height) * 0.75)
    colour = mix(colour, hexed("#5c4130"), smooth(48, 24, height) * smooth(820, 790, x) * 0.5)
    colour = colour * (1 + 0.17 * hair)[..., None]
    sky = 0.27 + 0.30 * np.clip(-down, 0, 1) + 0.16 * to_us
    side = np.clip(-0.85 * right - 0.45 * down, 0, 1)
    lighted = colour * (
        sky[..., None] * np.array([0.86, 0.95, 1.05], np.float32)
        + side[..., None] * np.array([1.40, 1.02, 0.58], np.float32)
    )
    lighted = lighted * dark
    edge = smooth(0.35, 0.85, side) * smooth(0.95, 0.45, to_us)
    lighted = lit(lighted.astype(np.float32), hexed("#ffd489"), edge * min(dark, 1))
    return mix(canvas, lighted, mask)


def _face(canvas: Grid) -> Grid:
    """Eye, nostril, mouth, the pale muzzle and throat."""
    x, y = places()
    for (px, py), size, colour, share in (
        ((7.4, 26.4), 2.6, "#c9a883", 0.55),
        ((19.5, 27.5), 3.6, "#c39a6c", 0.30),
        ((14.2, 19.0), 2.6, "#c39a6c", 0.25),
    ):
        spot = np.exp(-(((x - _PLACE[0]) / _PIXELS - px) ** 2 + ((y - _PLACE[1]) / _PIXELS - py) ** 2) / size**2)
        canvas = mix(canvas, hexed(colour), spot * share)
    nose = filled(_put(((3.4, 22.9), (5.6, 21.7), (6.2, 23.6), (4.6, 25.2), (3.1, 24.9))))
    canvas = mix(canvas, hexed("#1b1512"), nose * 0.9)
    mouth = stroked(_put(((3.8, 26.0), (7.5, 26.2), (10.4, 25.2)), closed=False), 1.4, 0.5)
    canvas = mix(canvas, hexed("#2a1d16"), mouth * 0.7)
    eye = filled(_put(((13.3, 18.7), (14.6, 17.5), (16.0, 18.3), (15.3, 19.4), (14.0, 19.6))))
    canvas = mix(canvas, hexed("#0d0a09"), eye)
    glint = filled(_put(((14.2, 18.0), (14.7, 17.9), (14.7, 18.4), (14.2, 18.5))))
    return mix(canvas, hexed("#ffe9bd"), glint)


def _antler(canvas: Grid, move: tuple[float, float], dark: float, lean: float) -> Grid:
    mask = np.zeros(SHAPE, np.float32)
    for points, start, end in _ANTLER:
        leant = tuple((px + (11 - py) * lean, py) for px, py in points)
        mask = np.maximum(mask, stroked(_put(leant, move, closed=False), start * _PIXELS, end * _PIXELS))
    x, y = places()
    right, down, _ = rounded(mask, 1.1 * _PIXELS)
    light = np.clip(-0.8 * right - 0.5 * down, 0, 1)
    tips = smooth(5, -30, (y - _PLACE[1]) / _PIXELS)
    colour = mix(np.zeros((*SHAPE, 3), np.float32), hexed("#5b4632"), 1.0)
    colour = mix(colour, hexed("#c9b48c"), tips * 0.55) * (1 + 0.12 * noise(x / 3, y / 8, 3, 2))[..., None]
    colour = colour * (0.55 * dark) + light[..., None] * np.array([0.75, 0.55, 0.30], np.float32) * dark
    return mix(canvas, colour.astype(np.float32), mask)


def _cast(canvas: Grid) -> Grid:
    """The long shadow, away from the sun."""
    x, y = places()
    shadow = np.zeros(SHAPE, np.float32)
    for foot in (76, 70, 33, 39):
        line = np.array([((foot * _PIXELS + _PLACE[0]), _GROUND), (foot * _PIXELS + _PLACE[0] + 190, _GROUND + 70)])
        shadow = np.maximum(shadow, stroked(curve(line), 16, 70))
    shadow = np.maximum(shadow, smooth(1, 0.3, ((x - 1010) / 240) ** 2 + ((y - 700) / 42) ** 2))
    return (canvas * (1 - 0.42 * blur(shadow, 7))[..., None]).astype(np.float32)


def _grass(canvas: Grid) -> Grid:
    """Grass at the stag's feet and along the verge, its tips in the light."""
    dice = np.random.default_rng(31)
    for _ in range(2600):
        near = dice.uniform(0, 1) ** 0.7
        y = 566 + 168 * near
        x = dice.uniform(480, 1300)
        if x < _verge(y):
            continue
        tall = (6 + 40 * near**1.3) * dice.uniform(0.5, 1.2)
        canvas = _blade(canvas, x, y, tall, near, dice)
    return canvas


def _blade(canvas: Grid, x: float, y: float, tall: float, near: float, dice: np.random.Generator) -> Grid:
    sway = dice.normal(0.15, 0.3) * tall
    line = curve([(x, y), (x + sway * 0.3, y - tall * 0.55), (x + sway, y - tall)], fine=5)
    wide = (1.0 + 2.2 * near) / 2
    outline = np.vstack([line[:-1] - (wide, 0), line[-1:], line[-2::-1] - (-wide, 0)])
    window, _, py, mask = cutout(outline)
    colour = mix(
        np.zeros((*mask.shape, 3), np.float32),
        np.asarray(hexed("#5d6a3e")) * (1 - near) + np.asarray(hexed("#22362c")) * near,
        1.0,
    )
    tip = smooth(y, y - tall, py) * dice.uniform(0.2, 0.9)
    colour = mix(colour, hexed("#d3a95a"), tip)
    canvas[window] = mix(canvas[window], colour, mask * 0.85)
    return canvas


def _front(canvas: Grid) -> Grid:
    """Dark firs at both sides, near the eye, to frame the light."""
    dice = np.random.default_rng(77)
    for foot, level, tall in ((30, 735, 720), (-70, 740, 900), (1275, 730, 800), (1345, 730, 980), (150, 700, 430)):
        outline = pine(foot, level, tall, int(dice.integers(1 << 30)), wide=0.36)
        window, px, py, mask = cutout(outline)
        colour = mix(np.zeros((*mask.shape, 3), np.float32), hexed("#12292c"), 1.0)
        colour = colour * (1 + 0.25 * noise(px / 2.5, py / 2.5, 2, 4))[..., None]
        canvas[window] = mix(canvas[window], colour, mask)
    x, y = places()
    motes = smooth(2.5, 3.2, noise(x / 3.5, y / 3.5, 1, 3)) * smooth(420, 60, np.hypot(x - 560, y - 420))
    return lit(canvas, hexed("#ffe2a6"), motes * 0.5)
