"""How a model is fitted into a device's memory: chosen from estimates before anything is loaded. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

RESERVE = 0.05
"""Share of the free memory that is left alone: allocators do not fill it to the last byte."""


class MemoryStep(StrEnum):
    """What is given up for memory, the least first.

    RESIDENT: nothing; every component stays on the device.
    FREED:    the component that was used longest ago makes room for the next: the text encoder is gone before the
              transformer comes.
    STREAMED: the blocks of transformers and text encoder stay in host memory and come to the device one by one, each
              copied while the one before it works.
    The first three compute the same, but that a streamed transformer is diffusers' own: where wan-render's forward is
    used for a resident one (WAN_RENDER_KERNELS=auto), the two differ by rounding.
    TILED:    as STREAMED, and the VAE works on overlapping tiles. It changes pixels (see docs/memory.md), so it is
              used only where it is asked for by name.
    """

    RESIDENT = "resident"
    FREED = "freed"
    STREAMED = "streamed"
    TILED = "tiled"


LOSSLESS = (MemoryStep.RESIDENT, MemoryStep.FREED, MemoryStep.STREAMED)


@dataclass(frozen=True)
class Need:
    """Bytes of a component's weights on the device, and of what its work needs besides. can_stream: it has blocks.

    kept: bytes of what it computes once for a shot, which stay while other components work.
    """

    component: str
    weights: int
    working: int
    can_stream: bool
    kept: int = 0

    @property
    def alone(self) -> int:
        """Bytes that it needs at once with no other component on the device."""
        return self.weights + self.kept + self.working


@dataclass(frozen=True)
class MemoryFit:
    """What was chosen. streamed: the components whose blocks stay in host memory. spare: bytes of the device that are
    left over where everything is resident."""

    step: MemoryStep
    streamed: frozenset[str] = frozenset()
    spare: int = 0

    def __str__(self) -> str:
        named = f" ({', '.join(sorted(self.streamed))})" if self.streamed else ""
        return f"{self.step.value}{named}"


def choose(
    asked: MemoryStep | None, tighter: int, needs: Sequence[Need], free: int, *, may_stream: bool = True
) -> MemoryFit:
    """The fit that is asked for by name, or else the first that the estimates allow in `free` bytes (0: unknown);
    then `tighter` steps further, as far as there are lossless ones.

    may_stream: whether blocks may be streamed without being asked for: not where the device is the host.
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
    # By name, or after the estimates proved wrong, everything is streamed that can be.
    streamed = too_large if asked is None and not tighter else with_blocks
    return MemoryFit(step, frozenset(need.component for need in streamed))


def _first_that_fits(needs: Sequence[Need], usable: int, *, may_stream: bool) -> MemoryStep:
    if _together(needs) <= usable:
        return MemoryStep.RESIDENT
    fit_alone = all(need.alone <= usable for need in needs if need.can_stream)
    return MemoryStep.STREAMED if may_stream and usable and not fit_alone else MemoryStep.FREED


def _together(needs: Sequence[Need]) -> int:
    """Bytes that all of them need at once, of which one works at a time."""
    return sum(need.weights + need.kept for need in needs) + max(need.working for need in needs)
