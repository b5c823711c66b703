"""Chooses how a model is fitted into a device's memory, from estimates, before anything is loaded. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

RESERVE = 0.05
"""The share of free memory that is left unused: allocators cannot fill it completely."""


class MemoryStep(StrEnum):
    """Levels of saving memory, the cheapest first.

    RESIDENT: every component stays on the device.
    FREED:    the least recently used component makes room for the next.
    STREAMED: the blocks of transformers and text encoder stay in host memory. Each is copied to the device while the
              one before it computes.
    TILED:    like STREAMED, and the VAE works on overlapping tiles. It changes pixels (see docs/memory.md), so it is
              only used if it is set by name.
    The first three give the same pixels, with one exception: a streamed transformer uses diffusers' forward. If a
    resident one would use wan-render's (WAN_RENDER_KERNELS=auto), the two differ by rounding.
    """

    RESIDENT = "resident"
    FREED = "freed"
    STREAMED = "streamed"
    TILED = "tiled"


LOSSLESS = (MemoryStep.RESIDENT, MemoryStep.FREED, MemoryStep.STREAMED)


@dataclass(frozen=True)
class Need:
    """The memory that a component needs, in bytes.

    weights:    of its weights on the device.
    working:    besides the weights, while it computes.
    can_stream: whether its blocks can be streamed.
    kept:       of results that stay for a take while other components compute.
    """

    component: str
    weights: int
    working: int
    can_stream: bool
    kept: int = 0

    @property
    def alone(self) -> int:
        """Bytes that it needs if no other component is on the device."""
        return self.weights + self.kept + self.working


@dataclass(frozen=True)
class MemoryFit:
    """The chosen level. streamed: the components whose blocks stay in host memory. spare: bytes of the device that are
    left if everything is resident, else 0."""

    step: MemoryStep
    streamed: frozenset[str] = frozenset()
    spare: int = 0

    def __str__(self) -> str:
        named = f" ({', '.join(sorted(self.streamed))})" if self.streamed else ""
        return f"{self.step.value}{named}"


def choose(
    asked: MemoryStep | None, tighter: int, needs: Sequence[Need], free: int, *, may_stream: bool = True
) -> MemoryFit:
    """The level `asked` for, or else the first that fits into `free` bytes (0: unknown) by the estimates. Then
    `tighter` levels further, but at most STREAMED.

    may_stream: whether blocks may be streamed automatically. False if the device is the CPU.
    """
    usable = int(free * (1 - RESERVE))
    step = asked or _first_that_fits(needs, usable, may_stream=may_stream)
    if tighter and step in LOSSLESS:
        step = LOSSLESS[min(LOSSLESS.index(step) + tighter, len(LOSSLESS) - 1)]
    if step is MemoryStep.RESIDENT:
        return MemoryFit(step, spare=max(0, usable - _together(needs)))
    if step is MemoryStep.FREED:
        return MemoryFit(step)
    with_blocks = [need for need in needs if need.can_stream]
    too_large = [need for need in with_blocks if need.alone > usable]
    # If the level is set by name, or the estimates were too low, stream every component that can be streamed.
    streamed = too_large if asked is None and not tighter else with_blocks
    return MemoryFit(step, frozenset(need.component for need in streamed))


def _first_that_fits(needs: Sequence[Need], usable: int, *, may_stream: bool) -> MemoryStep:
    if _together(needs) <= usable:
        return MemoryStep.RESIDENT
    fit_alone = all(need.alone <= usable for need in needs if need.can_stream)
    return MemoryStep.STREAMED if may_stream and usable and not fit_alone else MemoryStep.FREED


def _together(needs: Sequence[Need]) -> int:
    """Bytes that all components need together, if one of them computes at a time."""
    return sum(need.weights + need.kept for need in needs) + max(need.working for need in needs)
