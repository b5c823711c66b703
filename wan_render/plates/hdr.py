"""HDR light → the light of an sRGB display.

PQ and HLG are defined in ITU-R BT.2100. Highlights are compressed by the EETF of ITU-R BT.2390 (5.4.1: a Hermite spline
in PQ), applied to the largest of the three channels, so that hues do not change. The display's white is 203 cd/m², the
reference white of ITU-R BT.2408. The peak is always 1000 cd/m²: all keyframes of a film get the same mapping, so that
two pictures of one scene match.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Light = NDArray[np.float32]

WHITE = 203.0
"""The cd/m² that become white on an SDR display: ITU-R BT.2408-7, table 1."""

PEAK = 1000.0
"""The brightest light that stays distinct, in cd/m²: the nominal peak of an HLG display, and of most PQ grading."""

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""BT.2100-2, table 4."""

_A = 0.17883277
_B = 1 - 4 * _A
_C = 0.5 - _A * np.log(4 * _A)
"""BT.2100-2, table 5."""

_SYSTEM_GAMMA = 1.2
"""BT.2100-2, note 5e: for an HLG display with a peak of 1000 cd/m²."""


def pq_light(signal: NDArray[Any]) -> NDArray[Any]:
    """The EOTF of PQ: signal 0 to 1 → cd/m², 0 to 10,000."""
    root = np.power(signal, 1 / _M2)
    light: NDArray[Any] = 10_000 * np.power(np.maximum(root - _C1, 0) / (_C2 - _C3 * root), 1 / _M1)
    return light


def pq_signal(light: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `pq_light`."""
    power = np.power(np.asarray(light) / 10_000, _M1)
    signal: NDArray[Any] = np.power((_C1 + _C2 * power) / (1 + _C3 * power), _M2)
    return signal


def hlg_scene_light(signal: NDArray[Any]) -> NDArray[Any]:
    """The inverse OETF of HLG: signal 0 to 1 → light of the scene, 0 to 1."""
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)


def hlg_display_light(scene: Light, luminance: NDArray[Any]) -> Light:
    """The OOTF of HLG: (…, 3) light of the scene → cd/m². `luminance`: the weights of red, green and blue."""
    bright = np.maximum(scene @ luminance.astype(np.float32), 1e-9)[..., None]
    return np.asarray(PEAK * scene * bright ** (_SYSTEM_GAMMA - 1), np.float32)


def tone_mapped(light: Light) -> Light:
    """(…, 3) in cd/m² → light where 1 is the display's white. Light below about 92 cd/m² is only scaled."""
    brightest = np.clip(light.max(axis=-1), 1e-4, PEAK)
    return np.asarray(light * (_compressed(brightest) / brightest / WHITE)[..., None], np.float32)


def _compressed(light: NDArray[Any]) -> NDArray[Any]:
    """BT.2390's EETF for one channel: cd/m² up to PEAK → cd/m² up to WHITE. Black is unchanged (`b` is 0)."""
    top = pq_signal(np.array(PEAK))
    most = pq_signal(np.array(WHITE)) / top
    knee = 1.5 * most - 0.5
    source = pq_signal(light) / top
    t = np.maximum(source - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return pq_light(np.where(source < knee, source, spline) * top)
