"""The values that cross the seam between a plan and its backend. Frames cross it; files do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wan_render.purchase import PurchaseDesk

if TYPE_CHECKING:  # planning needs no numpy; importing it would take a fifth of the time of `check`
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
else:
    Pixels = Any
"""Pictures, uint8 RGB: one (height, width, 3), or several (frames, height, width, 3)."""


class Phase(StrEnum):
    """What a device process is doing. The farm has a time-out for each phase.

    WAITING: other devices of the group are not ready. Reported every second, so that the process does not look stalled.
    WRITING: reported for every take that is rendered, and for none that was found.
    """

    WAITING = "waiting"
    LOADING = "loading"
    ENCODING = "encoding"
    STEP = "step"
    DECODING = "decoding"
    WRITING = "writing"


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a phase are finished. total is 0 if the phase cannot be measured.

    For the farm's watchdog, an event that equals the one before it is no progress. So whoever does a phase many times
    in a row counts.
    """

    phase: Phase
    done: int = 0
    total: int = 0


Listen = Callable[[Progress], None]


@dataclass(frozen=True)
class Device:
    """Something that renders one take at a time.

    name: `cpu`, `cuda:0`, …; for a device of another machine `cuda:0@studio-b`.
    pin:  the CUDA_VISIBLE_DEVICES of the process that owns the device: a GPU's UUID; "" hides every GPU.
    capability: CUDA's compute capability of a GPU of another machine, which cannot be asked here; None for one of this
          machine.
    """

    name: str
    label: str
    memory_bytes: int
    pin: str = ""
    capability: tuple[int, int] | None = None

    @property
    def kind(self) -> str:
        """`cpu` or `cuda`."""
        return self.name.partition("@")[0].partition(":")[0]

    @property
    def machine(self) -> str:
        """The machine that it is in; "" for this one."""
        return self.name.partition("@")[2]


@dataclass(frozen=True)
class TakeInputs:
    """What a take is made from.

    first, last: its keyframes, fitted to the take's size, each (height, width, 3) uint8 RGB.
    loras: the files of its LoRAs by SHA-256, except published LoRAs: the backend finds those.
    before, after: the frames that a bridge begins and ends with, each (frames, height, width, 3) uint8 RGB. A backend
           renders those between them; what it returns in their place is not used.
    latents: what the take before this one handed over (Frames.latents); None unless the take begins on its latents.
    keeps_latents: whether another take begins on this one's latents.
    desk:  where a backend that costs money buys the take; None where nothing may be bought.
    """

    first: Pixels | None
    last: Pixels | None
    loras: Mapping[str, Path] = field(default_factory=dict)
    before: Pixels | None = None
    after: Pixels | None = None
    desk: PurchaseDesk | None = None
    latents: bytes | None = None
    keeps_latents: bool = False


@dataclass(frozen=True)
class Frames:
    """Rendered frames: uint8 RGB (frames, height, width, 3) and their rate per second.

    latents: what a take that continues this one needs besides the last frame, a safetensors file that only the backend
             reads; None unless it was asked for (TakeInputs.keeps_latents).
    """

    pixels: Pixels
    rate: Fraction
    latents: bytes | None = None


@dataclass(frozen=True)
class Stage:
    """An intermediate result of a take.

    key:  the hash of everything that determines its bytes (keys.content_key).
    what: its description, for listings.
    take: the key of the only take that needs it; it may be deleted once that take is published. "" if other takes may
          need it.
    """

    key: str
    what: str
    take: str = ""


class Stages(Protocol):
    """Keeps stages for other takes, processes and runs. It may lose any of them at any time."""

    def find(self, stage: Stage) -> bytes | None:
        """The bytes that were kept; None if they are missing or damaged."""

    def keep(self, stage: Stage, content: bytes) -> None:
        """Keep the bytes of a stage. Raises DiskError."""


@dataclass(frozen=True)
class NoStages:
    """Stages that keeps nothing."""

    def find(self, stage: Stage) -> bytes | None:  # noqa: ARG002 - part of the seam
        """Always None."""
        return None

    def keep(self, stage: Stage, content: bytes) -> None:
        """Discard the bytes."""


NOTHING_KEPT = NoStages()


@dataclass(frozen=True)
class Workspace:
    """What a renderer may use besides its device.

    tighter: how often this model ran out of memory on such a device. The renderer uses less memory by as many levels.
    """

    stages: Stages = NOTHING_KEPT
    tighter: int = 0


ALONE = Workspace()
"""The workspace of a renderer whose stages are not kept."""


@dataclass(frozen=True)
class Group:
    """One process of several that render a take together, each on its own device.

    rank:       0 is the leader: it encodes, decodes and returns the frames. The others only denoise.
    size:       how many processes there are.
    rendezvous: the group's folder, new for each attempt, in which the processes find each other.
    """

    rank: int
    size: int
    rendezvous: Path

    @property
    def is_over(self) -> bool:
        """Whether the leader needs no help: it has denoised, has failed, or has found the take."""
        return (self.rendezvous / _OVER).exists()

    def end(self) -> None:
        """Mark the group as over, for processes that still wait for the leader."""
        (self.rendezvous / _OVER).touch()


_OVER = "over"
