"""A white dove in the morning: it rises over the cloud, the sun behind it, the river far below."""

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
    places,
    rounded,
    smooth,
    stroked,
)
from painting.mountains import Range, standing
from painting.terrain import Camera

_SUN = (905.0, 300.0)
_ALPS = Range(
    camera=Camera(height=1.6, horizon=520, focal=900, near=5, far=44, steps=700),
    begins=6,
    tall=3.0,
    shift=7.4,
    sun=(0.66, 0.62, 0.16),
    air=hexed("#a9c3c4"),
    far_air=hexed("#f0dcb4"),
)
_WHITE = hexed("#fffaf0")
_SHADE = hexed("#8fa9b5")


def painted() -> Grid:
    """The canvas."""
    canvas = _sky()
    canvas = standing(canvas, _ALPS)
    canvas = _clouds(canvas)
    canvas = _wing(canvas, _FAR_WING, _FAR_EDGE, 0.80)
    canvas = _tail(canvas)
    canvas = _body(canvas)
    canvas = _wing(canvas, _NEAR_WING, _NEAR_EDGE, 1.0)
    canvas = _shoulder(canvas)
    canvas = _head(canvas)
    return _drifting(canvas)


def _plain(colour: str, shape: tuple[int, ...] = SHAPE) -> Grid:
    return np.broadcast_to(np.asarray(hexed(colour), np.float32), (*shape, 3)).copy()


def _sky() -> Grid:
    x, y = places()
    canvas = mix(_plain("#f6d9a2"), hexed("#3d8192"), smooth(600, 30, y - 0.22 * np.abs(x - _SUN[0]) + 110))
    veils = smooth(0.0, 0.9, noise(x / 340 + 0.3 * noise(x / 200, y / 200, 3, 2), y / 90, 6, 1) + 0.05)
    canvas = mix(canvas, hexed("#fbe9cb"), veils * 0.45)
    far = np.sqrt((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2)
    canvas = lit(canvas, GOLD, 0.95 * np.exp(-far / 230))
    return lit(canvas, (1.0, 0.96, 0.86), smooth(60, 46, far) + 0.5 * np.exp(-((far / 110) ** 2)))


def _clouds(canvas: Grid) -> Grid:
    """A sea of cloud, lit from behind: banks of round heads, brighter at their upper edge, larger towards us."""
    x, y = places()
    warm = np.exp(-(((x - _SUN[0]) / 430) ** 2))
    for number, level in enumerate((560, 596, 636, 684, 728)):
        size = 42 + 40 * number
        heads = noise(x / size, x * 0 + 3 * number, 5, number, 0.5, ridged=True)
        top = level - (16 + 11 * number) * (heads + 0.7 * noise(x / (size * 4), x * 0 + number, 2, number + 1))
        billow = noise(x / size * 1.3, (y - top) / size * 2.0, 5, number + 2, 0.5, ridged=True)
        deep = (y - top) / (60 + 22 * number)
        light = np.clip(1.0 - 0.55 * deep + 0.40 * (billow - 0.35), 0, 1)
        colour = mix(_plain("#6f97a3"), hexed("#fff3da"), light)
        colour = mix(colour, hexed("#fbd79a"), warm * 0.45 * light)
        colour = lit(colour, (1.0, 0.93, 0.78), smooth(0.22, 0.0, deep) * (0.25 + 0.5 * warm))
        canvas = mix(canvas, colour, smooth(-1, 7 + 3 * number, y - top + 5 * billow) * 0.93)
        canvas = mix(canvas, hexed("#f6dfb4"), smooth(0.3, 1.3, deep) * (0.30 + 0.25 * warm))
    return canvas


# A feather: root, tip, width, bend (how far its middle leaves the straight line, to the left of its way).
_Feather = tuple[tuple[float, float], tuple[float, float], float, float]


def _fan(
    roots: tuple[tuple[float, float], tuple[float, float]],
    tips: tuple[tuple[float, float], ...],
    count: int,
    width: tuple[float, float],
    bend: float,
) -> list[_Feather]:
    """Feathers from a line of roots to a curve of tips, in order."""
    ends = curve(tips)
    places_on = np.linspace(0, len(ends) - 1, count)
    made = []
    for number, place in enumerate(places_on):
        part = number / max(count - 1, 1)
        root = (roots[0][0] + (roots[1][0] - roots[0][0]) * part, roots[0][1] + (roots[1][1] - roots[0][1]) * part)
        tip = ends[round(place)]
        made.append((root, (float(tip[0]), float(tip[1])), width[0] + (width[1] - width[0]) * part, bend))
    return made


# The dove flies to the left and up. Shoulder about (600, 372), wrist of the near wing (655, 205).
_NEAR_WING = (
    _fan(((640, 372), (668, 225)), ((742, 408), (850, 360), (935, 285), (975, 215)), 12, (30, 30), -10)
    + _fan(((668, 225), (640, 196)), ((985, 190), (972, 96), (900, 28), (800, 8)), 10, (30, 25), -22),
    _fan(((632, 356), (655, 222)), ((712, 378), (775, 330), (822, 262), (838, 210)), 11, (26, 24), -6)
    + _fan(((655, 222), (632, 200)), ((838, 196), (824, 134), (780, 92), (722, 72)), 8, (24, 20), -10),
    _fan(((612, 368), (636, 210)), ((676, 372), (716, 316), (742, 254), (740, 196)), 10, (22, 20), -4)
    + _fan(((640, 210), (626, 196)), ((736, 186), (718, 146), (690, 124), (662, 122)), 6, (19, 16), -5),
    _fan(((598, 382), (618, 215)), ((646, 388), (668, 330), (682, 262), (682, 204)), 13, (19, 16), -3)
    + _fan(((618, 215), (622, 204)), ((682, 194), (676, 168), (662, 150), (646, 146)), 6, (16, 13), -3),
    _fan(((588, 384), (606, 250)), ((620, 392), (638, 332), (646, 262), (646, 206)), 15, (15, 12), -2),
)
_NEAR_EDGE = ((588, 392), (598, 330), (610, 262), (620, 212), (640, 172), (668, 132))
_FAR_WING = (
    _fan(((560, 360), (500, 240)), ((600, 250), (560, 190), (500, 130), (452, 96)), 9, (26, 26), 8)
    + _fan(((500, 240), (486, 228)), ((440, 90), (380, 74), (318, 82), (268, 120)), 9, (27, 22), 18),
    _fan(((556, 360), (500, 246)), ((580, 280), (540, 222), (500, 178), (462, 156)), 8, (22, 20), 5)
    + _fan(((500, 246), (486, 236)), ((452, 150), (420, 144), (388, 152), (360, 172)), 6, (19, 16), 8),
    _fan(((556, 366), (494, 240)), ((576, 318), (532, 250), (496, 208), (466, 184)), 11, (17, 14), 3)
    + _fan(((494, 240), (484, 232)), ((458, 180), (438, 178), (420, 184), (408, 196)), 5, (14, 12), 3),
    _fan(((548, 366), (488, 246)), ((566, 336), (526, 272), (492, 228), (474, 212)), 12, (13, 10), 2),
)
_FAR_EDGE = ((548, 372), (522, 318), (496, 268), (478, 234), (448, 204), (412, 180))
_TAIL = _fan(((742, 436), (752, 462)), ((900, 396), (936, 440), (940, 490), (912, 532)), 9, (30, 30), 0)
_BODY = (
    (453, 370),
    (468, 351),
    (492, 344),
    (516, 350),
    (542, 362),
    (580, 370),
    (630, 378),
    (690, 402),
    (744, 430),
    (776, 450),
    (768, 468),
    (730, 480),
    (676, 488),
    (622, 487),
    (572, 476),
    (530, 455),
    (502, 430),
    (484, 410),
    (464, 398),
)


def _feather(canvas: Grid, one: _Feather, bright: float) -> Grid:
    """One feather: round-tipped, its vane lighter to the edge, lit through where the sun stands behind it."""
    (x0, y0), (x1, y1), width, bend = one
    length = float(np.hypot(x1 - x0, y1 - y0))
    way = np.array([(x1 - x0) / length, (y1 - y0) / length])
    normal = np.array([-way[1], way[0]])
    time = np.linspace(0, 1, 24)[:, None]
    spine = np.array([x0, y0]) + way * length * time + normal * bend * np.sin(np.pi * time)
    half = (
        width
        / 2
        * (0.45 + 0.55 * np.sin(np.pi * np.clip(time * 0.62 + 0.06, 0, 1)))
        * np.clip((1.0 - time) / 0.10, 0, 1) ** 0.5
    )
    outline = np.vstack([spine + normal * half * 1.1, (spine - normal * half * 0.9)[::-1]])
    window, x, y, mask = cutout(outline, 12)
    along = ((x - x0) * way[0] + (y - y0) * way[1]) / length
    arch = bend * np.sin(np.pi * np.clip(along, 0, 1))
    across = ((x - x0) * normal[0] + (y - y0) * normal[1] - arch) / (width / 2)
    barbs = noise((along * length + 12 * np.abs(across)) / 5, across * 0.6, 2, 2)
    light = 0.52 + 0.44 * np.clip(along, 0, 1) - 0.20 * across + 0.035 * barbs
    through = np.exp(-(((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2) / 210**2)) * smooth(0.3, 0.9, along)
    colour = mix(_plain("#8aa4b2", mask.shape), _WHITE, np.clip(light * bright, 0, 1))
    colour = mix(colour, hexed("#ffe3b0"), through * 0.55)
    shaft = np.exp(-((across / 0.07) ** 2)) * smooth(1.0, 0.8, along)
    colour = mix(colour, hexed("#b9b7a6"), shaft * 0.45)
    edge = smooth(0.72, 0.98, across) * 0.35
    colour = mix(colour, hexed("#7d97a4"), edge)
    canvas[window] = canvas[window] * (1 - 0.30 * blur(mask, 2.5) * (1 - mask))[..., None]
    canvas[window] = mix(canvas[window], colour.astype(np.float32), mask)
    return canvas


def _wing(
    canvas: Grid, layers: tuple[list[_Feather], ...], edge: tuple[tuple[float, float], ...], bright: float
) -> Grid:
    """The long feathers first, over their roots four rows of coverts, then the smooth leading edge."""
    for number, layer in enumerate(layers):
        for one in layer:
            canvas = _feather(canvas, one, bright * (1.0 + 0.03 * number))
    return _down(canvas, stroked(curve(edge), 9, 3, belly=15), 9, bright, soft=2)


def _down(canvas: Grid, mask: Grid, radius: float, bright: float, soft: float) -> Grid:
    """Small feathers: a round white form with scales of shadow, soft at its edge."""
    x, y = places()
    right, down, to_us = rounded(mask, radius)
    scales = noise((x + 0.4 * y) / 13, (y - 0.3 * x) / 9, 3, 4)
    light = 0.50 + 0.42 * np.clip(-down, -1, 1) + 0.16 * np.clip(right, -1, 1) + 0.20 * to_us + 0.05 * scales
    colour = mix(_plain("#7f9aa9"), _WHITE, np.clip(light * bright, 0, 1))
    colour = mix(colour, hexed("#ffdfa6"), smooth(0.25, 0.9, 0.8 * right - 0.5 * down) * 0.45)
    ragged = np.clip(
        mask if soft == 0 else smooth(0.32, 0.68, blur(mask, soft) + 0.16 * noise(x / 7, y / 7, 3, 2)), 0, 1
    )
    return mix(canvas, colour, ragged)


def _shoulder(canvas: Grid) -> Grid:
    """The down in which the wing is rooted."""
    outline = curve(((560, 380), (596, 370), (632, 382), (668, 404), (650, 416), (604, 412), (572, 402)), closed=True)
    return mix(canvas, hexed("#eceeea"), blur(filled(outline), 6) * 0.85)


def _tail(canvas: Grid) -> Grid:
    """The tail's feathers, the middle ones on top."""
    for number in (0, 8, 1, 7, 2, 6, 3, 5, 4):
        canvas = _feather(canvas, _TAIL[number], 0.94)
    return canvas


def _body(canvas: Grid) -> Grid:
    """The body: one smooth round form, darker below, with the tips of its feathers hinted at."""
    x, y = places()
    mask = filled(curve(_BODY, closed=True))
    canvas = _down(canvas, mask, 62, 1.0, soft=1.4)
    along, across = (x * 0.93 + y * 0.36) / 17, (y * 0.93 - x * 0.36) / 10
    row = np.floor(across)
    scale = np.hypot((along + 0.5 * (row % 2)) % 1 - 0.35, across % 1 - 0.5)
    hints = smooth(0.42, 0.56, scale) * smooth(500, 560, x) * smooth(0.2, 0.8, blur(mask, 10))
    canvas = mix(canvas, hexed("#9fb2ba"), 0.16 * blur(hints, 0.7) * mask)
    under = smooth(408, 490, y - 0.20 * (x - 620)) * mask
    return mix(canvas, hexed("#7390a0"), under * 0.42)


def _head(canvas: Grid) -> Grid:
    """Beak, cere and eye."""
    beak = filled(
        curve(((456, 374), (447, 375), (435, 381), (429, 389), (438, 388), (450, 389), (460, 388)), closed=True)
    )
    canvas = mix(canvas, hexed("#c88f72"), beak)
    line = filled(np.array([(432, 386.4), (452, 383.0), (458, 382.6), (452, 384.4)]))
    canvas = mix(canvas, hexed("#7d4f42"), line * 0.8)
    cere = filled(curve(((451, 374), (456, 371), (461, 375), (455, 378)), closed=True))
    canvas = mix(canvas, hexed("#f4ebe0"), cere * 0.9)
    x, y = places()
    gap = np.sqrt((x - 478) ** 2 + (y - 371) ** 2)
    canvas = mix(canvas, hexed("#c99a86"), smooth(8.2, 6.6, gap) * 0.7)
    canvas = mix(canvas, hexed("#2a1512"), smooth(5.9, 5.0, gap))
    return lit(canvas, (1, 0.95, 0.85), smooth(1.7, 0.9, np.sqrt((x - 476.2) ** 2 + (y - 369.2) ** 2)))


def _drifting(canvas: Grid) -> Grid:
    """Three loose feathers, and the sun's haze over everything."""
    loose: tuple[_Feather, ...] = (
        ((1082, 420), (1120, 446), 13, 6),
        ((300, 330), (330, 312), 11, -5),
        ((1010, 560), (1030, 590), 11, 5),
    )
    for one in loose:
        canvas = _feather(canvas, one, 1.05)
    x, y = places()
    far = np.sqrt((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2)
    return lit(canvas, GOLD, 0.18 * np.exp(-far / 260))
