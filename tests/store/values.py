"""Small takes, and what fills them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from wan_render.store import CLIP, PREVIEW, Filled, Provenance
from wan_render.take import Sampling, Size, Take

A_TAKE = Take(
    backend="test/1",
    model="test/model@1",
    first=None,
    last=None,
    prompt="白鸽 over a lake",
    negative="",
    frames=5,
    size=Size(64, 48),
    rate=Fraction(16),
    seed=1,
    sampling=Sampling(4, (5.0,), 3.0),
)


def take(seed: int) -> Take:
    """A take of its own for every seed."""
    return replace(A_TAKE, seed=seed)


def provenance(*, film: str = "river", shot: str = "1/010", seconds: Mapping[str, float] | None = None) -> Provenance:
    return Provenance(
        film=film,
        shot=shot,
        number=1,
        why="first take",
        model="test",
        keyframes={},
        device="cpu",
        device_label="a processor",
        seconds={"step": 2.0} if seconds is None else seconds,
        versions={"python": "3"},
    )


def filled(content: bytes = b"frames", made: Provenance | None = None) -> Callable[[Path], Filled]:
    """A fill that writes these bytes as the clip."""

    def fill(folder: Path) -> Filled:
        (folder / CLIP).write_bytes(content)
        (folder / PREVIEW).write_bytes(b"preview")
        return Filled(made or provenance())

    return fill
