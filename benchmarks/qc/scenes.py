"""A clip of one of the kinds, perhaps with another look, before any loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.qc.clean_clips import PLAIN, Dice
from benchmarks.qc.footage import Footage
from wan_render.render_values import Pixels

Make = Callable[[Dice, Footage, tuple[int, int], int], Pixels]
"""(dice, footage, size, length) → frames."""

SIZES = ((320, 184), (320, 184), (320, 184), (416, 240), (184, 320), (480, 272))
LENGTHS = (17, 17, 17, 25, 33, 33, 33, 33, 49, 81)


@dataclass(frozen=True)
class Scene:
    """A clip as it was meant, before any loss, and what it is.

    kind:  how it was made, for the table of false alarms.
    frames: (frames, height, width, 3) uint8 RGB.
    """

    kind: str
    frames: Pixels


def scene(
    dice: Dice,
    footage: Footage,
    size: tuple[int, int] | None = None,
    length: int | None = None,
    kinds: Sequence[Make] = PLAIN,
) -> Scene:
    """A clip of one of the kinds."""
    size = size or SIZES[dice.integers(len(SIZES))]
    length = length or int(dice.choice(LENGTHS))
    make = kinds[int(dice.integers(len(kinds)))]
    frames = make(dice, footage, size, length)
    kind = make.__name__.strip("_")
    if dice.random() < 0.5 and kind != "night":
        name, frames = graded(dice, frames)
        kind = f"{kind}, {name}"
    return Scene(kind, frames)


def graded(dice: Dice, frames: Pixels) -> tuple[str, Pixels]:
    """Another look: dark, flat, contrasty, tinted, grey."""
    name = str(dice.choice(("dark", "very dark", "low contrast", "tinted", "grey", "gamma")))
    samples = frames.astype(np.float32) / 255
    if name == "dark":
        samples *= dice.uniform(0.15, 0.4)
    elif name == "very dark":
        samples = samples**1.5 * dice.uniform(0.08, 0.15)
    elif name == "low contrast":
        samples = dice.uniform(0.3, 0.7) + (samples - 0.5) * dice.uniform(0.08, 0.3)
    elif name == "tinted":
        samples *= dice.uniform(0.5, 1.3, 3).astype(np.float32)
    elif name == "grey":
        samples = samples.mean(axis=-1, keepdims=True).repeat(3, -1)
    else:
        samples = samples ** dice.uniform(0.6, 1.8)
    return name, np.clip(samples * 255, 0, 255).astype(np.uint8)
