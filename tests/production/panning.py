"""Takes that pan over one wide picture, published in a store. Each frame has a true picture at any moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from wan_render.cut import ClipSource
from wan_render.media.clip import write_clip
from wan_render.quality.measuring import measure
from wan_render.render_values import Frames, Pixels
from wan_render.store import CLIP, FIRST, LAST, Filled, Provenance, Store
from wan_render.take import Plate, Sampling, Size, Take

SIZE = Size(96, 64)
SIXTEEN = Fraction(16)
PROVENANCE = Provenance("film", "1/010", 1, "", "m", {}, "cpu", "", {}, {})

_NOISE = np.random.default_rng(7).uniform(0, 255, (SIZE.height, 600, 3)).astype(np.float32)
_WIDE = cv2.normalize(cv2.GaussianBlur(_NOISE, (0, 0), 2.0), None, 20, 235, cv2.NORM_MINMAX)  # type: ignore[call-overload]


def view(at: float) -> Pixels:
    """The picture from `at` pixels to the right on."""
    rows, columns = np.indices((SIZE.height, SIZE.width), dtype=np.float32)
    found = cv2.remap(_WIDE, columns + np.float32(at), rows, cv2.INTER_CUBIC)
    return np.rint(np.clip(found, 0, 255)).astype(np.uint8)


def views(places: Iterable[float]) -> Pixels:
    """(frames, height, width, 3)."""
    return np.stack([view(at) for at in places])


def stop_and_go(begin: float, frames: int, speed: float, slow: int) -> list[float]:
    """Where the frames of a shot look that starts and ends slowly: a tenth of `speed` pixels per frame at both ends,
    which grows to `speed` within `slow` frames."""
    steps = np.full(frames - 1, speed)
    ramp = np.linspace(0.1, 1, slow)
    steps[:slow] *= ramp
    steps[-slow:] *= ramp[::-1]
    return [begin, *(begin + np.cumsum(steps))]


def published(store: Store, pixels: Pixels, *, is_measured: bool = True, rate: Fraction = SIXTEEN) -> ClipSource:
    """A take with these frames, that begins and ends on its keyframes, checked as a rendered one is."""
    plate = Plate("a" * 64, SIZE)
    seed = len(list(store.takes.keys())) + 1
    take = Take("t/1", "m", plate, plate, "", "", len(pixels), SIZE, rate, seed, Sampling(1, (1.0,), 1.0))
    return publish(store, take, pixels, is_measured=is_measured)


def publish(store: Store, take: Take, pixels: Pixels, *, is_measured: bool = True) -> ClipSource:
    """These frames as the clip of a take."""

    def fill(folder: Path) -> Filled:
        write_clip(folder / CLIP, Frames(pixels, take.rate))
        for name, picture in ((FIRST, pixels[0]), (LAST, pixels[-1])):
            Image.fromarray(picture).save(folder / name)
        measured = Filled(PROVENANCE, measure(pixels, pixels[0], pixels[-1]))
        return measured if is_measured else replace(measured, measurements=None)

    return ClipSource(store.publish(take, fill).key)


def psnr(one: Pixels, other: Pixels) -> float:
    """In dB, of the picture without its outer quarter: what comes in from the side was never seen."""
    high, wide = SIZE.height // 8, SIZE.width // 8
    error = (one.astype(float) - other)[high:-high, wide:-wide]
    return float(10 * np.log10(255**2 / max(float((error**2).mean()), 1e-3)))
