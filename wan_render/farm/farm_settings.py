"""What a farm on one machine is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wan_render.render_values import Phase
from wan_render.settings import machine_settings


@dataclass(frozen=True)
class Stall:
    """Seconds without any event after which a device process counts as stuck, by what it is doing.

    starting:  from the process's start until it takes orders: Python's imports.
    beginning: from the order until the first event: what is there is verified, the plates are conformed.
    The others follow a phase's own event. Generous: a stall is noticed late rather than a slow device shot.
    """

    starting: float = 300.0
    beginning: float = 900.0
    waiting: float = 60.0
    loading: float = 1800.0
    encoding: float = 900.0
    step: float = 600.0
    decoding: float = 900.0
    writing: float = 900.0

    def of(self, phase: Phase) -> float:
        """The limit after an event of this phase."""
        seconds: float = getattr(self, phase.value)
        return seconds


@dataclass(frozen=True)
class FarmSettings:
    """How a LocalFarm watches its devices.

    quarantine: a device on which this many different shots failed in a row gets no more, while there is another one.
    locks, groups: see MachineSettings; its own by default.
    work: what a device process runs, `module:function`; see farm.work.
    """

    stall: Stall = Stall()
    locks: Path | None = field(default_factory=lambda: machine_settings().locks)
    quarantine: int = 2
    handler: str = "wan_render.farm.process.order_handler:render_takes"
    groups: str = field(default_factory=lambda: machine_settings().groups)
