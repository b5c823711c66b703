"""The animatic, slowed down, with faults that the campaign asks for. It keeps its own record of every take that it
renders, outside the store.

Its id is the animatic's, so its takes have the animatic's keys and pixels.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wan_render.backend_contract import Renderer
from wan_render.backends.animatic import Animatic
from wan_render.backends.animatic.renderer import AnimaticRenderer
from wan_render.errors import DiskFullError, OutOfMemoryError, Problem
from wan_render.model_card import ModelCard
from wan_render.render_values import ALONE, Device, Frames, Group, Listen, Phase, Progress, TakeInputs, Workspace
from wan_render.take import Take

CONTROL, STEP_SECONDS = "FAULTS_CONTROL", "FAULTS_STEP_SECONDS"
"""Environment variables: the folder of records and triggers, and how long each frame sleeps."""

RENDERS = "renders"
"""A line of the record: `begin` or `end`, key, process, steady time, device, tighter."""

FROM_STEP = 4
"""Triggers are taken from this frame on: the watchdog then knows how long a step takes."""


@dataclass(frozen=True)
class FaultBackend(Animatic):
    """The animatic's description, with the folder of the campaign."""

    control: Path
    step_seconds: float

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:
        return super().expected_seconds(take, device_kind, devices) + take.frames * self.step_seconds

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:
        listen(Progress(Phase.LOADING))
        return _Renderer(card, device, self, workspace.tighter)


class _Renderer(AnimaticRenderer):
    def __init__(self, card: ModelCard, device: Device, backend: FaultBackend, tighter: int) -> None:
        super().__init__(card, device)
        self._backend, self._name, self._tighter = backend, device.name, tighter

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        def slow(progress: Progress) -> None:
            listen(progress)
            if progress.phase is Phase.STEP:
                time.sleep(self._backend.step_seconds)
                if progress.done >= FROM_STEP:
                    self._suffer()

        self._note("begin", take)
        frames = super().render(take, plates, slow, group)
        self._note("end", take)
        return frames

    def _note(self, what: str, take: Take) -> None:
        line = f"{what} {take.key} {os.getpid()} {time.monotonic():.3f} {self._name} {self._tighter}\n"
        append(self._backend.control / RENDERS, line)

    def _suffer(self) -> None:
        """Take the trigger of one fault, if there is one; only one process gets each."""
        for name, fault in FAULTS.items():
            mine = self._backend.control / f"{name}.{os.getpid()}.taken"
            try:
                (self._backend.control / name).rename(mine)
            except FileNotFoundError:
                continue
            fault()


def _hang() -> None:
    time.sleep(3600)


def _out_of_memory() -> None:
    raise OutOfMemoryError(Problem("the model", "out of memory (a fault of the campaign)"))


def _no_space() -> None:
    raise DiskFullError(Problem("outputs", "the disk is full (a fault of the campaign)"))


FAULTS: dict[str, Callable[[], None]] = {"hang": _hang, "memory": _out_of_memory, "space": _no_space}
"""Names of triggers, and what each does. `space` stands in for a full disk where none can be mounted."""


def append(file: Path, line: str) -> None:
    """Append a line in one write: several processes keep the record."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


if CONTROL in os.environ:  # in the processes of a campaign
    BACKEND = FaultBackend(Path(os.environ[CONTROL]), float(os.environ[STEP_SECONDS]))
