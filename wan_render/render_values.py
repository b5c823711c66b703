"""The values that cross the seam between a plan and the backend that renders it. Frames cross it, files do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # planning needs no numpy, whose import is a fifth of the time of `check`
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
else:
    Pixels = Any
"""Pictures, uint8 RGB: one (height, width, 3), or several (frames, height, width, 3)."""


class Phase(StrEnum):
    """What a device process is doing; each has a time-out of its own in the farm.

    WAITING: another run renders this very take, or others of its group are not ready; told every second, so that it
    never looks stalled.
    WRITING: told of every take that is rendered, and of none that is found.
    """

    WAITING = "waiting"
    LOADING = "loading"
    ENCODING = "encoding"
    STEP = "step"
    DECODING = "decoding"
    WRITING = "writing"


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a phase are finished; total 0: a phase without a measure."""

    phase: Phase
    done: int = 0
    total: int = 0


Listen = Callable[[Progress], None]


@dataclass(frozen=True)
class Device:
    """Something that renders one shot at a time. `name` is `cpu`, `cuda:0`, …; `pin` is what the process
    that owns it gets as CUDA_VISIBLE_DEVICES (a GPU's UUID; "" hides every GPU)."""

    name: str
    label: str
    memory_bytes: int
    pin: str = ""

    @property
    def kind(self) -> str:
        """`cpu` or `cuda`."""
        return self.name.partition(":")[0]


@dataclass(frozen=True)
class TakeInputs:
    """What a take is made from: its conformed pictures, each (height, width, 3) uint8 RGB at the take's size, and the
    files of its LoRAs by SHA-256, but for published ones, which the backend finds."""

    first: Pixels | None
    last: Pixels | None
    loras: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Frames:
    """Rendered frames: uint8 RGB (frames, height, width, 3) and their rate per second."""

    pixels: Pixels
    rate: Fraction


@dataclass(frozen=True)
class Stage:
    """What a renderer works out on the way to a take, named by what decides it.

    key:  of all that decides its bytes (keys.content_key).
    what: in words, for listings.
    take: the key of the one take that it is for, after whose publication it may go; "" where others may need it.
    """

    key: str
    what: str
    take: str = ""


class Stages(Protocol):
    """Where stages are kept: for other takes, processes and runs. May forget anything at any time."""

    def find(self, stage: Stage) -> bytes | None:
        """What was kept, byte for byte; None where it is not there, or was damaged."""
        ...

    def keep(self, stage: Stage, content: bytes) -> None:
        """Keep it for later. Raises DiskError."""
        ...


@dataclass(frozen=True)
class NoStages:
    """Keeps nothing."""

    def find(self, stage: Stage) -> bytes | None:  # noqa: ARG002 - part of the seam
        """Nothing is there."""
        return None

    def keep(self, stage: Stage, content: bytes) -> None:
        """Let it go."""


NOTHING_KEPT = NoStages()


@dataclass(frozen=True)
class Workspace:
    """What a renderer may use besides its device.

    tighter: how often this model ran out of memory on such a device: by so many steps it is to use less than it would.
    """

    stages: Stages = NOTHING_KEPT
    tighter: int = 0


ALONE = Workspace()
"""Of a renderer from which nothing is kept."""


@dataclass(frozen=True)
class Group:
    """A process's part among several that render one take together, a device each.

    rank:       0 leads: it encodes, decodes and gives the frames; the others only denoise along.
    size:       how many there are.
    rendezvous: a folder of their own, new for each attempt, in which they find each other.
    """

    rank: int
    size: int
    rendezvous: Path

    @property
    def is_over(self) -> bool:
        """Whether the leader needs nobody: it has denoised, or failed, or found the take."""
        return (self.rendezvous / _OVER).exists()

    def end(self) -> None:
        """Make it over, for whoever still waits for the leader."""
        (self.rendezvous / _OVER).touch()


_OVER = "over"
