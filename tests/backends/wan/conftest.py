"""Tiny checkpoints, built once for a session, and takes to render with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_wan import KINDS, TinyKind, card_of, save_tiny
from wan_render.model_card import ModelCard
from wan_render.render_values import Device, Pixels, Progress, TakeInputs
from wan_render.take import Bridge, Plate, Sampling, ShotKind, Size, Take, TakePart

CPU = Device("cpu", "CPU", 0)


@dataclass(frozen=True)
class Tiny:
    """A saved checkpoint with its card."""

    kind: TinyKind
    folder: Path
    card: ModelCard

    def take(self, kind: ShotKind, **changes: Any) -> Take:
        """A short take of this model."""
        plate = Plate("0" * 64, self.kind.size)
        take = Take(
            backend="wan/1",
            model=self.card.identity,
            first=plate if kind in (ShotKind.I2V, ShotKind.FLF2V) else None,
            last=plate if kind is ShotKind.FLF2V else None,
            prompt="a river seen from the sky 江河",
            negative="blurred, static",
            frames=9,
            size=self.kind.size,
            rate=self.kind.rate,
            seed=4201,
            sampling=Sampling(steps=4, guidance=(5.0, 3.0)[: self.kind.experts], shift=5.0),
            bridge=Bridge(TakePart("1" * 64, 4, 2), TakePart("2" * 64, 0, 3)) if kind is ShotKind.BRIDGE else None,
        )
        return replace(take, **changes)


def plates_of(take: Take) -> TakeInputs:
    """Pictures with structure, different at both ends."""
    return TakeInputs(
        first=picture(take.size, 1) if take.first is not None else None,
        last=picture(take.size, 2) if take.last is not None else None,
        before=None if take.bridge is None else _moving(take.size, take.bridge.before.frames, 3),
        after=None if take.bridge is None else _moving(take.size, take.bridge.after.frames, 9),
    )


def _moving(size: Size, frames: int, seed: int) -> Pixels:
    return np.stack([picture(size, seed + at) for at in range(frames)])


def picture(size: Size, seed: int) -> Pixels:
    """A smooth gradient with noise, uint8 RGB."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(0, 200, size.width)[None, :, None] + random.integers(0, 56, (size.height, size.width, 3))
    return np.ascontiguousarray(np.roll(ramp, seed * 7, axis=1).astype(np.uint8))


def nobody(progress: Progress) -> None:
    """Listens to nothing."""


@pytest.fixture(scope="module")
def kernels() -> Iterator[None]:
    """The fused kernels run on triton_here.DEVICE, also where that is a CPU."""
    from tests.backends.wan.triton_here import IS_INTERPRETED, interpreted

    with interpreted() if IS_INTERPRETED else nullcontext():
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tiny]:
    """A checkpoint of a kind of tests.tiny_wan.KINDS, by name; never written to by a test."""
    made: dict[str, Tiny] = {}

    def of(name: str) -> Tiny:
        if name not in made:
            folder = save_tiny(KINDS[name], tmp_path_factory.mktemp("wan") / name)
            made[name] = Tiny(KINDS[name], folder, card_of(folder))
        return made[name]

    return of
