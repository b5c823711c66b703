"""What happened in a campaign, from records outside the store: faults, renders, and takes that appeared."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.fault_backend import RENDERS

LOOK_SECONDS = 0.03
AFTER_SECONDS = 5.0
"""How long after a render its writing may be lost to a fault."""


@dataclass(frozen=True)
class Fault:
    """One fault. process: the device process that it concerned; 0 if it concerned all. seconds: how long it lasted."""

    kind: str
    what: str
    at: float
    process: int = 0
    seconds: float = 0.0

    def may_have_lost(self, process: int, ended: float) -> bool:
        """Whether a take whose render ended then, in this process, may have been lost before it was published."""
        if self.kind in ("truncate", "flip", "edit", "memory"):
            return False
        if self.process and self.process != process:
            return False
        return self.at - AFTER_SECONDS <= ended <= self.at + self.seconds + AFTER_SECONDS


@dataclass
class Ledger:
    """Faults, damages, and the moments at which takes appeared in a store. Its thread looks at the folder."""

    control: Path
    takes: Path
    faults: list[Fault] = field(default_factory=list)
    damages: Counter[str] = field(default_factory=Counter)
    appeared: dict[str, list[float]] = field(default_factory=dict)
    _there: dict[str, int] = field(default_factory=dict)
    _damaged: set[tuple[str, int]] = field(default_factory=set)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Look until `stop`."""
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Note which takes have appeared. A folder that was set aside and rendered again has another inode."""
        try:
            there = {path.name: path.stat().st_ino for path in self.takes.iterdir() if not path.name.startswith(".")}
        except FileNotFoundError:
            return
        for key, number in there.items():
            if self._there.get(key) != number:
                self.appeared.setdefault(key, []).append(time.monotonic())
        self._there = there

    def damage(self, key: str, number: int) -> None:
        """A published take was damaged. Damaging it again before it was noticed counts once. number: its inode."""
        if (key, number) not in self._damaged:
            self._damaged.add((key, number))
            self.damages[key] += 1

    def complaints(self) -> Iterator[str]:
        """Renders that no fault explains."""
        ends = self._ends()
        for key, seen in ends.items():
            appeared = self.appeared.get(key, [])
            if len(appeared) > 1 + self.damages[key]:
                yield f"take {key[:8]} was published {len(appeared)} times and damaged {self.damages[key]} times"
            for at, (process, ended) in enumerate(seen):
                following = seen[at + 1][1] if at + 1 < len(seen) else float("inf")
                if any(ended - LOOK_SECONDS <= moment <= following for moment in appeared):
                    continue
                if not any(fault.may_have_lost(process, ended) for fault in self.faults):
                    yield f"take {key[:8]} was rendered at {ended:.1f} and neither published nor lost to a fault"

    @property
    def renders(self) -> int:
        """How many renders were finished."""
        return sum(map(len, self._ends().values()))

    @property
    def begun(self) -> int:
        """How many renders were begun."""
        return sum(line.startswith("begin") for line in self._lines())

    def tighter(self) -> int:
        """How often a take was begun with less memory, after one had run out of it."""
        return sum(line.startswith("begin") and line.split()[5] != "0" for line in self._lines())

    def _ends(self) -> dict[str, list[tuple[int, float]]]:
        found: dict[str, list[tuple[int, float]]] = {}
        for line in self._lines():
            what, key, process, at, *_ = line.split()
            if what == "end":
                found.setdefault(key, []).append((int(process), float(at)))
        return found

    def _lines(self) -> list[str]:
        try:
            return (self.control / RENDERS).read_text().splitlines()
        except FileNotFoundError:
            return []

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            self.look()
