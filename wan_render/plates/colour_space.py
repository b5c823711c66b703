"""Colour spaces, and how their samples become sRGB: to light by a curve, then by a matrix, then by sRGB's curve.

Colours outside of sRGB are clipped in each channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wan_render.plates.hdr import hlg_display_light, tone_mapped

Fine = NDArray[np.uint16]
"""Samples of sRGB, 0 to 65535: (height, width, 3), or (height, width, 1) for grey."""

Curve = Callable[[NDArray[Any]], NDArray[Any]]
"""Samples 0 to 1 → light: 0 to 1; cd/m² for PQ."""

Matrix = NDArray[np.float64]

Point = tuple[float, float]

ROWS_AT_ONCE = 256
"""Rows that are converted together, since their light takes four bytes per sample."""

D65: Point = (0.3127, 0.3290)
D50_XYZ = np.array((0.9642, 1.0, 0.8249))
"""The white point of ICC's profile connection space: ICC.1:2022, 7.2.16."""

_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))
"""ICC.1:2022, annex E."""


@dataclass(frozen=True)
class Primaries:
    """The chromaticities (x, y) of red, green, blue and white."""

    red: Point
    green: Point
    blue: Point
    white: Point = D65

    def near(self, other: Primaries) -> bool:
        """Whether they are equal except for rounding (0.01, as in libpng)."""
        ours, theirs = (np.array((one.red, one.green, one.blue, one.white)) for one in (self, other))
        return bool(np.abs(ours - theirs).max() < 0.01)

    @property
    def to_xyz(self) -> Matrix:
        """The matrix from linear RGB to XYZ, with white at Y = 1. Raises ValueError for points that span no colours."""
        points = np.array([(x, y, 1 - x - y) for x, y in (self.red, self.green, self.blue)]).T
        if abs(np.linalg.det(points)) < 1e-4 or min(self.white) <= 0:
            raise ValueError(f"expected three primaries and a white, got {self}")
        matrix: Matrix = points * np.linalg.solve(points, _xyz(self.white))
        if (matrix[1] <= 0).any():
            raise ValueError(f"expected primaries that make white together, got {self}")
        return matrix


REC_709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))


@dataclass(frozen=True)
class ColourSpace:
    """The meaning of samples.

    name:      for messages.
    curve:     samples → light.
    to_srgb:   the matrix from their linear RGB to linear sRGB.
    luminance: the weights of red, green and blue.
    hdr:       the kind of HDR that needs tone mapping; "" for SDR.
    narrow:    whether 16/255 is black and 235/255 is white.
    """

    name: str
    curve: Curve
    to_srgb: Matrix
    luminance: NDArray[np.float64]
    hdr: Literal["", "PQ", "HLG"] = ""
    narrow: bool = False


def of_primaries(
    name: str, primaries: Primaries, curve: Curve, hdr: Literal["", "PQ", "HLG"] = "", *, narrow: bool = False
) -> ColourSpace:
    """The space with these primaries. Raises ValueError for primaries that span no colours."""
    to_xyz = primaries.to_xyz
    to_srgb = np.linalg.inv(REC_709.to_xyz) @ _adapted(_xyz(primaries.white), _xyz(D65)) @ to_xyz
    return ColourSpace(name, curve, to_srgb, to_xyz[1], hdr, narrow)


def of_profile(name: str, to_d50: Matrix, curve: Curve) -> ColourSpace:
    """The space of an ICC profile. to_d50: the matrix from its linear RGB to the profile connection space's XYZ."""
    to_srgb = np.linalg.inv(_adapted(_xyz(D65), D50_XYZ) @ REC_709.to_xyz) @ to_d50
    return ColourSpace(name, curve, to_srgb, to_d50[1])


def srgb_light(samples: NDArray[Any]) -> NDArray[Any]:
    """IEC 61966-2-1: a sample of sRGB → light."""
    return np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)


def _srgb_samples(light: NDArray[Any]) -> NDArray[Any]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def power(gamma: float) -> Curve:
    """samples ** gamma."""
    return lambda samples: np.power(samples, gamma)


def table(values: Sequence[float]) -> Curve:
    """The curve through the light of evenly spaced samples, with linear interpolation."""
    at = np.linspace(0, 1, len(values))
    return lambda samples: np.interp(samples, at, values)


def as_srgb(samples: NDArray[Any], most: int, space: ColourSpace | None) -> Fine:
    """Samples 0 to `most`, (height, width, 3) or (height, width, 1) → sRGB. space: None for sRGB samples."""
    if space is None:
        levels: Fine = (np.arange(most + 1) * 65535 / most + 0.5).astype(np.uint16)
        return np.asarray(levels[samples], np.uint16)
    target = np.empty(samples.shape, np.uint16)
    light = _light_of(most, space)
    for start in range(0, samples.shape[0], ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        target[rows] = _encoded(_srgb_light(light[samples[rows]], space))
    return target


def _light_of(most: int, space: ColourSpace) -> NDArray[np.float32]:
    """The light of every possible sample: a lookup is faster than a power."""
    samples = np.arange(most + 1) / most
    if space.narrow:
        samples = np.clip((samples * 255 - 16) / 219, 0, 1)
    return np.asarray(space.curve(samples), np.float32)


def _srgb_light(light: NDArray[np.float32], space: ColourSpace) -> NDArray[np.float32]:
    """Light of the space → light of an sRGB display, 0 to 1 for colours that it can show."""
    is_grey = light.shape[-1] == 1
    if is_grey and space.hdr:
        light = np.repeat(light, 3, axis=-1)
    if space.hdr == "HLG":
        light = hlg_display_light(light, space.luminance)
    if space.hdr:
        light = tone_mapped(light)
    if is_grey:
        return light[..., :1]
    return np.asarray(light @ space.to_srgb.T.astype(np.float32), np.float32)


_STEPS = 65535
_ENCODED = np.round(_srgb_samples((np.arange(_STEPS + 1) / _STEPS) ** 2) * 65535).astype(np.uint16)
"""The sRGB samples of light with evenly spaced square roots: as fine as sRGB in the shadows."""


def _encoded(light: NDArray[np.float32]) -> Fine:
    root = np.sqrt(np.clip(light, 0, 1))
    return np.asarray(_ENCODED[(root * _STEPS + 0.5).astype(np.uint16)], np.uint16)


def _xyz(point: Point) -> NDArray[np.float64]:
    x, y = point
    return np.array((x / y, 1.0, (1 - x - y) / y))


def _adapted(white: NDArray[np.float64], other: NDArray[np.float64]) -> Matrix:
    """The matrix from XYZ under one white to XYZ under another, by Bradford's cone responses."""
    scale = np.diag((_BRADFORD @ other) / (_BRADFORD @ white))
    matrix: Matrix = np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD
    return matrix
