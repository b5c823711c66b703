"""How long planning takes: storyboards of 10, 100 and 1,000 shots with a real picture for each keyframe.

    python -m benchmarks.plan [SHOTS ...]

cold: without a cache, so every picture is decoded. warm: a new cache object finds all facts by content.
Targets: 1,000 shots in under 2 s warm, at most 40 ms per picture cold.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from wan_render.authored import Document
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.facts import FactCache
from wan_render.plan import make_plan
from wan_render.storyboard import read_storyboard

Result = TypeVar("Result")
AN_HOUR = 3600
"""How far pictures are backdated: files written in the last seconds are hashed again by design."""


@dataclass(frozen=True)
class Row:
    """Seconds for one storyboard. Reading inspects every picture; planning uses the cached facts."""

    shots: int
    cold_read: float
    warm_read: float
    warm_plan: float
    megabytes: float


def written(folder: Path, shots: int) -> Path:
    """A storyboard of continuous shots with 1280x720 keyframes, alternately PNG and JPEG."""
    dice = np.random.default_rng(1)
    names = [f"k{at}.{'png' if at % 2 else 'jpg'}" for at in range(shots + 1)]
    for name in names:
        noise = Image.fromarray(dice.integers(0, 256, (45, 80, 3), np.uint8))
        noise.resize((1280, 720), Image.Resampling.BICUBIC).save(folder / name, compress_level=1)
        os.utime(folder / name, (time.time() - AN_HOUR,) * 2)
    keyframes = "".join(f"  k{at}: {name}\n" for at, name in enumerate(names))
    lines = "".join(f"  - {{from: k{at}, to: k{at + 1}, action: 光爬上码头, size: WS}}\n" for at in range(shots))
    file = folder / "film.yaml"
    file.write_text(f"version: 1\nfilm: {{title: 江河}}\nkeyframes:\n{keyframes}shots:\n{lines}", encoding="utf-8")
    return file


def timed(call: Callable[[], Result]) -> tuple[float, Result]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def measured(shots: int) -> Row:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = written(folder, shots)
        cold_read, _ = timed(lambda: read(file, folder / "cache"))
        warm_read, document = timed(lambda: read(file, folder / "cache"))
        warm_plan, keys = timed(lambda: planned(document, folder / "cache"))
        assert keys == shots
        size = sum(picture.stat().st_size for picture in folder.glob("k*"))
        return Row(shots, cold_read, warm_read, warm_plan, size / 1e6)


def read(file: Path, folder: Path) -> Document:
    cache = FactCache(folder)
    return read_storyboard(file, models=catalogue(cache), cache=cache)


def planned(document: Document, folder: Path) -> int:
    """The number of distinct takes, which needs the key of each."""
    cache = FactCache(folder)
    plan = make_plan(document, models=catalogue(cache), backend_id="animatic/1", cache=cache)
    return len(plan.takes)


def main(sizes: list[int]) -> None:
    print(f"{'shots':>6} {'MB':>6} {'cold ms/picture':>16} {'read warm s':>12} {'plan warm s':>12} {'both s':>8}")
    for shots in sizes:
        row = measured(shots)
        per_picture = 1000 * (row.cold_read - row.warm_read) / (shots + 1)
        both = row.warm_read + row.warm_plan
        print(
            f"{shots:>6} {row.megabytes:>6.0f} {per_picture:>16.1f}"
            f" {row.warm_read:>12.3f} {row.warm_plan:>12.3f} {both:>8.3f}"
        )


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [10, 100, 1000])
