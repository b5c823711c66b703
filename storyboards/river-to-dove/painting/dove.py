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
)

_SUN = (850.0, 250.0)
_WHITE = hexed("#fffaf0")
_SHADE = hexed("#8fa9b5")


def painted() -> Grid:
    """The canvas."""
    canvas = _sky()
    canvas = _below(canvas)
    canvas = _clouds(canvas)
    canvas = _wing(canvas, _FAR_WING, 0.80)
    canvas = _tail(canvas)
    canvas = _body(canvas)
    canvas = _wing(canvas, _NEAR_WING, 1.0)
    canvas = _head(canvas)
    return _drifting(canvas)


def _plain(colour: str, shape: tuple[int, ...] = SHAPE) -> Grid:
    return np.broadcast_to(np.asarray(hexed(colour), np.float32), (*shape, 3)).copy()


def _sky() -> Grid:
    x, y = places()
    canvas = mix(_plain("#f3d7a6"), hexed("#4f8e9c"), smooth(520, -120, y + 0.12 * np.abs(x - _SUN[0])))
    veils = smooth(0.0, 0.9, noise(x / 340 + 0.3 * noise(x / 200, y / 200, 3, 2), y / 90, 6, 1) + 0.05)
    canvas = mix(canvas, hexed("#fdf0d8"), veils * 0.55)
    far = np.sqrt((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2)
    canvas = lit(canvas, GOLD, 0.95 * np.exp(-far / 230))
    return lit(canvas, (1.0, 0.96, 0.86), 0.9 * np.exp(-((far / 95) ** 2)))


def _below(canvas: Grid) -> Grid:
    """Mountains that stand out of the cloud, and the river's last bend."""
    x, y = places()
    for number, (level, tall, colour, haze) in enumerate(
        ((520, 70, "#9db3b0", 0.5), (565, 80, "#759a9a", 0.45), (620, 90, "#4b7a7e", 0.5))
    ):
        shape = noise(x / (260 - 40 * number) + 3 * number, x * 0 + number, 7, number + 1, 0.5, ridged=True)
        crest = level - tall * (shape - 0.3) * 1.6
        wall = noise(x / 60, y / 80, 5, number, ridged=True)
        down, right = np.gradient(wall * 18)
        light = np.clip(0.5 + (right * np.sign(x - _SUN[0]) * 0.5 - down * 0.5), 0, 1)
        rock = _plain(colour) * (0.75 + 0.5 * light)[..., None]
        rock = mix(
            rock, hexed("#f3ddb4"), haze * smooth(0, 110, y - crest) + 0.2 * np.exp(-(((x - _SUN[0]) / 260) ** 2))
        )
        canvas = mix(canvas, rock.astype(np.float32), smooth(0, 1.5, y - crest))
    return canvas


def _clouds(canvas: Grid) -> Grid:
    """A sea of cloud, lit from behind, in billows that grow towards us."""
    x, y = places()
    for number, level in enumerate((545, 590, 640, 690)):
        size = 60 + 45 * number
        billow = noise(x / size, y / size * 1.6, 6, number, 0.52)
        top = level - 34 * noise(x / (size * 2.4), x * 0 + number, 4, number + 2) - 22 * billow
        body = smooth(-6, 46, y - top)
        light = np.clip(0.62 + 0.45 * billow - (y - top) / 240, 0, 1)
        colour = mix(_plain("#7f9fa8"), hexed("#fff2d8"), light)
        warm = np.exp(-(((x - _SUN[0]) / 420) ** 2))
        colour = lit(colour, GOLD, 0.35 * warm * smooth(40, 0, y - top))
        canvas = mix(canvas, colour, body * 0.88)
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
    _fan(((616, 350), (640, 210)), ((672, 362), (716, 316), (742, 254), (740, 196)), 10, (22, 20), -4)
    + _fan(((640, 210), (626, 196)), ((736, 186), (718, 146), (690, 124), (662, 122)), 6, (19, 16), -5),
)
_NEAR_ARM = (
    (596, 384),
    (602, 330),
    (616, 262),
    (622, 208),
    (632, 186),
    (646, 190),
    (664, 226),
    (664, 290),
    (654, 350),
    (640, 392),
)
_FAR_WING = (
    _fan(((560, 360), (500, 240)), ((600, 250), (560, 190), (500, 130), (452, 96)), 9, (26, 26), 8)
    + _fan(((500, 240), (486, 228)), ((440, 90), (380, 74), (318, 82), (268, 120)), 9, (27, 22), 18),
    _fan(((556, 360), (500, 246)), ((580, 280), (540, 222), (500, 178), (462, 156)), 8, (22, 20), 5)
    + _fan(((500, 246), (486, 236)), ((452, 150), (420, 144), (388, 152), (360, 172)), 6, (19, 16), 8),
)
_FAR_ARM = ((566, 384), (530, 330), (496, 276), (478, 238), (486, 222), (502, 230), (528, 272), (566, 322), (590, 360))
_TAIL = _fan(((742, 436), (752, 462)), ((900, 396), (936, 440), (940, 490), (912, 532)), 9, (30, 30), 0)
_BODY = (
    (452, 372),
    (470, 352),
    (500, 347),
    (530, 356),
    (570, 360),
    (620, 366),
    (680, 392),
    (740, 424),
    (776, 446),
    (770, 466),
    (736, 476),
    (680, 478),
    (620, 470),
    (566, 452),
    (520, 428),
    (486, 408),
    (462, 396),
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
    light = 0.66 + 0.30 * np.clip(along, 0, 1) - 0.20 * across + 0.035 * barbs
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


def _wing(canvas: Grid, layers: tuple[list[_Feather], ...], bright: float) -> Grid:
    """The long feathers first, then the coverts over their roots, then the arm."""
    for number, layer in enumerate(layers):
        for one in layer:
            canvas = _feather(canvas, one, bright * (1.0 + 0.05 * number))
    arm = _NEAR_ARM if layers is _NEAR_WING else _FAR_ARM
    return _down(canvas, filled(curve(arm, closed=True)), 18, bright, soft=5)


def _down(canvas: Grid, mask: Grid, radius: float, bright: float, soft: float) -> Grid:
    """Small feathers: a round white form with scales of shadow, soft at its edge."""
    x, y = places()
    right, down, to_us = rounded(mask, radius)
    scales = noise((x + 0.4 * y) / 13, (y - 0.3 * x) / 9, 3, 4)
    light = 0.58 + 0.30 * np.clip(-down, -1, 1) + 0.16 * np.clip(right, -1, 1) + 0.16 * to_us + 0.05 * scales
    colour = mix(_plain("#7f9aa9"), _WHITE, np.clip(light * bright, 0, 1))
    colour = mix(colour, hexed("#ffdfa6"), smooth(0.35, 0.9, right) * 0.5)
    ragged = np.clip(
        mask if soft == 0 else smooth(0.32, 0.68, blur(mask, soft) + 0.16 * noise(x / 7, y / 7, 3, 2)), 0, 1
    )
    return mix(canvas, colour, ragged)


def _tail(canvas: Grid) -> Grid:
    order = [0, 8, 1, 7, 2, 6, 3, 5, 4]
    for number in order:
        canvas = _feather(canvas, _TAIL[number], 0.94)
    return canvas


def _body(canvas: Grid) -> Grid:
    return _down(canvas, filled(curve(_BODY, closed=True)), 58, 1.0, soft=2)


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
        ((705, 560), (748, 588), 13, 6),
        ((360, 520), (392, 500), 11, -5),
        ((1030, 470), (1050, 500), 11, 5),
    )
    for one in loose:
        canvas = _feather(canvas, one, 1.05)
    x, y = places()
    far = np.sqrt((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2)
    return lit(canvas, GOLD, 0.18 * np.exp(-far / 260))
