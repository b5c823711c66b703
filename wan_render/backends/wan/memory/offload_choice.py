"""Chooses how a model is fitted into a device's memory, from estimates, before anything is loaded. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

RESERVE = 0.05
"""The share of free memory that is left unused: allocators cannot fill it completely."""

HOST_RESERVE_BYTES = 2_000_000_000
"""Host memory that is left for everything but weights: frames, and what libraries load later. An allowance."""

BUFFERS = 2
"""Streamed blocks on the device at a time: one computes, the next is copied."""

BLOCKS = {"transformer": "blocks", "transformer_2": "blocks", "text_encoder": "encoder.block"}
"""Where a component has its blocks, over which its forward loops."""


class MemoryStep(StrEnum):
    """Levels of saving memory, the cheapest first.

    RESIDENT: every component stays on the device.
    FREED:    the least recently used component makes room for the next.
    STREAMED: the blocks of transformers and text encoder stay in host memory. Each is copied to the device while the
              one before it computes.
    TILED:    like STREAMED, and the VAE works on overlapping tiles. It changes pixels (see docs/memory.md), so it is
              only used if it is set by name.
    The first three give the same pixels.
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
    aside:      of its weights, those that can wait in host memory because they are used once per text. Never among
                `blocks`.
    blocks:     of each of its blocks, in their order.
    """

    component: str
    weights: int
    working: int
    can_stream: bool
    kept: int = 0
    aside: int = 0
    blocks: tuple[int, ...] = ()

    @property
    def alone(self) -> int:
        """Bytes that it needs if no other component is on the device."""
        return self.weights + self.kept + self.working

    @property
    def unstreamed(self) -> int:
        """Bytes that it needs on the device besides streamed blocks and `working`."""
        return self.weights - self.aside - sum(self.blocks) + BUFFERS * max(self.blocks, default=0) + self.kept


@dataclass(frozen=True)
class MemoryFit:
    """The chosen level.

    streamed:        the components whose blocks stay in host memory.
    spare:           bytes of the device that are left if everything is resident, else 0.
    aside:           the transformers whose layers for the keys and values of the cross-attention wait in host memory.
                     Those of streamed ones do so anyway.
    resident_blocks: how many blocks of each streamed transformer stay on the device, because host memory is short.
    by_turns:        whether only one of the streamed components is loaded at a time, because host memory has no room
                     for all of them.
    """

    step: MemoryStep
    streamed: frozenset[str] = frozenset()
    spare: int = 0
    aside: frozenset[str] = frozenset()
    resident_blocks: int = 0
    by_turns: bool = False

    def __str__(self) -> str:
        named = f" ({', '.join(sorted(self.streamed))})" if self.streamed else ""
        beside = ", one at a time" if self.by_turns else ""
        beside += f", {self.resident_blocks} blocks on the device" if self.resident_blocks else ""
        context = ", keys and values of the cross-attention in host memory" if self.aside else ""
        return f"{self.step.value}{named}{beside}{context}"


def choose(
    asked: MemoryStep | None,
    tighter: int,
    needs: Sequence[Need],
    free: int,
    *,
    may_stream: bool = True,
    host_free: int = 0,
) -> MemoryFit:
    """The level `asked` for, or else the first that fits into `free` bytes (0: unknown) by the estimates. Then
    `tighter` levels further, but at most STREAMED.

    may_stream: whether blocks may be streamed automatically. False if the device is the CPU.
    host_free:  free bytes of host memory; 0: unknown.
    """
    usable = int(free * (1 - RESERVE))
    step = asked or _first_that_fits(needs, usable, may_stream=may_stream)
    if tighter and step in LOSSLESS:
        step = LOSSLESS[min(LOSSLESS.index(step) + tighter, len(LOSSLESS) - 1)]
    if step is MemoryStep.RESIDENT:
        return MemoryFit(step, spare=max(0, usable - _together(needs)))
    with_blocks = [need for need in needs if need.can_stream]
    # If the level is set by name, or the estimates were too low, stream every component that can be streamed.
    is_estimated = asked is None and not tighter
    streamed = [need for need in with_blocks if need.alone - need.aside > usable] if is_estimated else with_blocks
    if step is MemoryStep.FREED:
        streamed = []
    named = frozenset(need.component for need in streamed)
    too_large = frozenset(need.component for need in needs if need.aside and usable and need.alone > usable)
    fit = MemoryFit(step, named, aside=too_large - named)
    ways = (fit, replace(fit, by_turns=True)) if len(streamed) > 1 and host_free else (fit,)
    found = [_with_resident_blocks(way, needs, usable, host_free) if is_estimated else way for way in ways]
    return next((way for way in found if host_bytes_of(needs, way) + HOST_RESERVE_BYTES <= host_free), found[-1])


def kept_from(before: MemoryFit, fit: MemoryFit) -> MemoryFit:
    """`fit`, but with what is loaded already where that needs no more memory: another form would be loaded again."""
    if fit.step is before.step is MemoryStep.FREED:
        return replace(fit, aside=fit.aside | before.aside)
    if fit.streamed and fit.streamed == before.streamed:
        # What is loaded fills host memory, so that there seems to be less room than when it was loaded.
        resident = min(fit.resident_blocks, before.resident_blocks)
        return replace(fit, resident_blocks=resident, by_turns=fit.by_turns and before.by_turns)
    return fit


def host_bytes_of(needs: Sequence[Need], fit: MemoryFit) -> int:
    """Bytes of weights that stay in host memory. A component whose blocks are unknown counts in full."""
    at_once = max if fit.by_turns else sum
    streamed = [_host_bytes_of(need, fit) for need in needs if need.component in fit.streamed]
    return at_once([0, *streamed]) + sum(need.aside for need in needs if need.component in fit.aside)


def _host_bytes_of(need: Need, fit: MemoryFit) -> int:
    """The same, of one streamed component."""
    resident = fit.resident_blocks * max(need.blocks, default=0) if _is_transformer(need) else 0
    return (sum(need.blocks) or need.weights) + need.aside - resident


def _first_that_fits(needs: Sequence[Need], usable: int, *, may_stream: bool) -> MemoryStep:
    if _together(needs) <= usable:
        return MemoryStep.RESIDENT
    fit_alone = all(need.alone - need.aside <= usable for need in needs if need.can_stream)
    return MemoryStep.STREAMED if may_stream and usable and not fit_alone else MemoryStep.FREED


def _with_resident_blocks(fit: MemoryFit, needs: Sequence[Need], usable: int, host_free: int) -> MemoryFit:
    """The fit, with blocks of each streamed transformer that stay on the device: as many as host memory lacks, if there
    is room for them besides everything that a take needs after its encoding."""
    moved = [need for need in needs if need.component in fit.streamed and _is_transformer(need) and need.blocks]
    if not moved or not host_free:
        return fit
    at_once = max if fit.by_turns else sum
    of_each = at_once(max(need.blocks) for need in moved)
    others = (need.alone for need in needs if not need.can_stream)
    beside = max([need.working for need in moved] + list(others))
    room = max(0, usable - at_once(need.unstreamed for need in moved) - beside) // of_each
    lacking = host_bytes_of(needs, fit) + HOST_RESERVE_BYTES - host_free
    return replace(
        fit, resident_blocks=min(room, max(0, -(-lacking // of_each)), *(len(need.blocks) for need in moved))
    )


def _is_transformer(need: Need) -> bool:
    return need.component.startswith("transformer")


def _together(needs: Sequence[Need]) -> int:
    """Bytes that all components need together, if one of them computes at a time."""
    return sum(need.weights + need.kept for need in needs) + max(need.working for need in needs)
