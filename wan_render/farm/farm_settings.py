"""Settings of a farm on one machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from wan_render.farm.farm_contract import AttemptWatch, NoWatch
from wan_render.farm.locks.device_lock import DeviceLock, by_nobody
from wan_render.farm.memory_terms import MemoryTerms
from wan_render.farm.process.process_memory import GROWTH_BYTES
from wan_render.farm.space_watch import SpaceTerms
from wan_render.render_values import Device, Phase
from wan_render.settings import machine_settings


@dataclass(frozen=True)
class Stall:
    """Seconds without progress after which a device process counts as stalled, by what it is doing. They are the least:
    a take that is expected to take long gets more (see process/phase_watch.py), and WAN_RENDER_PATIENCE multiplies all.

    starting:  from the start of the process until it takes orders: Python's imports.
    beginning: from an order until its first event: the store is checked and the plates are fitted.
    warm_step: a step after others of the same take.
    expected_times: a step may take this many times as long as expected, if that is more. It is far more than estimates
               err, and covers a GPU that another program uses.
    The others apply after an event of that phase. The limits are generous, so that no slow device is killed.
    """

    starting: float = 300.0
    beginning: float = 900.0
    waiting: float = 60.0
    loading: float = 1800.0
    encoding: float = 900.0
    step: float = 600.0
    warm_step: float = 60.0
    expected_times: float = 20.0
    decoding: float = 900.0
    writing: float = 900.0

    def of(self, phase: Phase) -> float:
        """Seconds after an event of this phase."""
        seconds: float = getattr(self, phase.value)
        return seconds


@dataclass(frozen=True)
class FarmSettings:
    """How a LocalFarm watches its devices.

    quarantine: a device is quarantined after this many different shots in a row failed on it. It then gets no takes
                that another device can render.
    locks, groups: see MachineSettings, which is the default.
    why_off: why there are no groups if `groups` is off.
    handler: `module:function` that makes a device process's OrderHandler.
    watch: hears of every attempt.
    blocked_by: who else uses a device, in words: it is waited for, as if another run held it. "" for nobody.
    space: how much of the disk stays free; None if takes start whatever is free.
    memory: how takes wait for host memory; None if they start whatever is free.
    growth_bytes: how much the memory of a device process may grow before it is replaced.
    """

    stall: Stall = Stall()
    locks: Path | None = field(default_factory=lambda: machine_settings().locks)
    quarantine: int = 2
    handler: str = "wan_render.farm.process.order_handler:render_takes"
    groups: str = field(default_factory=lambda: machine_settings().groups)
    why_off: str = "WAN_RENDER_GROUPS is off"
    watch: AttemptWatch = field(default_factory=NoWatch)
    blocked_by: Callable[[Device], str] = by_nobody
    space: SpaceTerms | None = None
    memory: MemoryTerms | None = None
    growth_bytes: int = GROWTH_BYTES

    def lock(self, device: Device) -> DeviceLock:
        """The lock of a device. Raises MachineError."""
        return DeviceLock(self.locks, device, self.blocked_by)
