"""ICC profiles that consist of curves and a matrix, at full precision: Pillow's LittleCMS converts only 8 bits.

The working spaces of 16-bit pictures have such profiles (Adobe RGB, ProPhoto, Display P3, linear spaces). ICC.1:2022
defines the tags (9.2), the types `curv` (10.6), `para` (10.18) and `XYZ` (10.31), and their meaning (8.3, 8.4, F.3).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wan_render.plates.colour_space import D50_XYZ, ColourSpace, Curve, of_profile, power, table

_HEADER = 128
_MOST_TAGS = 200
_BY_TABLES = (b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1")
"""Tags that override curves and matrix if a profile has both."""


def profile_space(profile: bytes, name: str) -> ColourSpace | None:
    """The space of an RGB or grey profile. None if it consists of tables, is for other colours, or is damaged."""
    try:
        tags = _tags(profile)
        if any(tag in tags for tag in _BY_TABLES) or profile[20:24] != b"XYZ ":
            return None
        if profile[16:20] == b"GRAY":
            return of_profile(name, np.diag(D50_XYZ), _curve(tags[b"kTRC"]))
        if profile[16:20] != b"RGB ":
            return None
        columns = [_xyz(tags[tag]) for tag in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = [tags[tag] for tag in (b"rTRC", b"gTRC", b"bTRC")]
        if len(set(curves)) > 1:  # all working spaces use one curve for all channels
            return None
        return of_profile(name, np.array(columns).T, _curve(curves[0]))
    except (KeyError, ValueError, struct.error, np.linalg.LinAlgError):
        return None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, _HEADER)
    found = {}
    for at in range(min(count, _MOST_TAGS)):
        name, start, size = struct.unpack_from(">4sII", profile, _HEADER + 4 + 12 * at)
        found[name] = profile[start : start + size]
    return found


def _xyz(tag: bytes) -> tuple[float, float, float]:
    kind, x, y, z = struct.unpack_from(">4s4x3i", tag)
    if kind != b"XYZ ":
        raise ValueError(f"expected XYZ, got {kind!r}")
    return x / 65536, y / 65536, z / 65536


def _curve(tag: bytes) -> Curve:
    if tag[:4] == b"para":
        return _formula(tag)
    if tag[:4] != b"curv":
        raise ValueError(f"expected a curve, got {tag[:4]!r}")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return power(1)
    values = struct.unpack_from(f">{count}H", tag, 12)
    return power(values[0] / 256) if count == 1 else table([value / 65535 for value in values])


def _formula(tag: bytes) -> Curve:
    """The curve of a `para` tag, by table 68 of ICC.1:2022: Y = (aX + b)^g + e for X >= d, else cX + f."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    count = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}.get(kind)
    if count is None:
        raise ValueError(f"expected a formula from 0 to 4, got {kind}")
    values = [value / 65536 for value in struct.unpack_from(f">{count}i", tag, 12)]
    g, a, b, c, d, e, f = _all_seven(kind, values)

    def light(samples: NDArray[Any]) -> NDArray[Any]:
        upper = np.power(np.maximum(a * samples + b, 0), g) + e
        return np.where(samples >= d, upper, c * samples + f)

    return light


def _all_seven(kind: int, values: list[float]) -> list[float]:
    match kind:
        case 0:
            return [*values, 1, 0, 0, 0, 0, 0]
        case 1:
            g, a, b = values
            return [g, a, b, 0, -b / a, 0, 0]
        case 2:
            g, a, b, c = values
            return [g, a, b, 0, -b / a, c, c]
        case 3:
            return [*values, 0, 0]
    return values
