"""One campaign: nights, faults, and what must hold in the end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psutil

from benchmarks.faults.aftermath import differing_films, leftovers, unverified
from benchmarks.faults.fault_backend import CONTROL, STEP_SECONDS
from benchmarks.faults.fault_ledger import Fault, Ledger
from benchmarks.faults.injections import WEIGHTS, Injections
from benchmarks.faults.night_process import CLOCK
from benchmarks.faults.storyboards import Films

MOUNT_MEGABYTES = 300
PATIENCE = "0.02"
"""Of the watchdogs: a hang is found after 2 s."""

HUNG_SECONDS = 120.0
"""A night that takes longer without a fault hangs."""


class NightHandle(Protocol):
    """A night that was started, as subprocess.Popen has it. pid: 0 if it has no process now."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> Any: ...

    def poll(self) -> object: ...

    def wait(self, timeout: float | None = None) -> object: ...

    def send_signal(self, number: int, /) -> None: ...


@dataclass
class Campaign:
    """In a terminal. farm_campaign.py has the same with a farm."""

    folder: Path
    seed: int
    films: int
    shots: int
    gap: float
    step: float
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 - repeatable, and no secret
        self._boards = Films(self.folder / "storyboards", self.films, self.shots)
        self.control = self.folder / "control"
        self.outputs = self.folder / "outputs"
        self._log = self.folder / "nights.log"
        self._codes: Counter[object] = Counter()
        self._complaints: list[str] = []

    def run(self, faults: int) -> list[str]:
        """Everything; returns what did not hold."""
        for folder in (self._boards.folder, self.control, self.outputs, self.folder / "tmp"):
            folder.mkdir(parents=True)
        is_mounted = self._mount()
        self._boards.write(self._rng)
        ledger = Ledger(self.control, self.outputs / "takes")
        ledger.start()
        injections = Injections(self._rng, self._boards, self.outputs, self.control, ledger, is_mounted)
        self.prepare()
        began = time.monotonic()
        self._harm(faults, ledger, injections)
        self._last_night()
        self.end()
        ledger.stop()
        self._report(ledger, began, is_mounted)
        self._judge(ledger)
        return self._complaints

    # What differs where a farm holds the nights

    @property
    def weights(self) -> dict[str, int]:
        """How often each kind of fault happens."""
        return WEIGHTS

    def prepare(self) -> None:
        """Before the first night."""

    def end(self) -> None:
        """After the last one."""

    def inject(self, kind: str, injections: Injections) -> Fault | None:
        """Try this fault now; None if it found no victim."""
        return injections.one(kind)

    def complain(self, complaint: str) -> None:
        """Something does not hold."""
        self._complaints.append(complaint)

    @property
    def storyboards(self) -> Path:
        """The folder of the storyboards."""
        return self._boards.folder

    def remove(self) -> None:
        """Unmount and delete everything."""
        subprocess.run(["umount", str(self.outputs)], check=False, stderr=subprocess.DEVNULL)  # noqa: S607 - as mounted
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mount(self) -> bool:
        if os.geteuid() != 0:
            return False
        options = ["-t", "tmpfs", "-o", f"size={MOUNT_MEGABYTES}m", "faults", str(self.outputs)]
        return subprocess.run(["mount", *options], check=False).returncode == 0  # noqa: S607 - the system's

    # Nights

    def _harm(self, faults: int, ledger: Ledger, injections: Injections) -> None:
        night: NightHandle | None = None
        weights = {kind: weight for kind, weight in self.weights.items() if not self.kinds or kind in self.kinds}
        plan = self._rng.choices(list(weights), list(weights.values()), k=faults)
        # The order and the pauses depend on the seed alone.
        pauses = [self._rng.expovariate(1 / self.gap) for _ in plan]
        waiting: list[str] = []
        for kind, pause in zip(plan, pauses, strict=True):
            waiting.append(kind)
            until = time.monotonic() + pause
            while waiting or time.monotonic() < until:
                if night is None or night.poll() is not None:
                    self._ended(night)
                    night = self._begin()
                if time.monotonic() >= until and waiting:
                    injections.night = _process(night)
                    fault = self.inject(waiting[0], injections)
                    if fault is not None:
                        ledger.faults.append(fault)
                        waiting.pop(0)
                        self._note(f"{len(ledger.faults):3} {fault.kind}: {fault.what}")
                    elif len(ledger.appeared) >= self.films * self.shots and time.monotonic() - until > 5:
                        ledger.faults.append(injections.one("edit") or ledger.faults[-1])  # there is work again
                        until = time.monotonic()
                time.sleep(0.02)
        if night is not None:
            self._wait(night)

    def _begin(self) -> NightHandle:
        (self.control / CLOCK).unlink(missing_ok=True)
        until = datetime.now(UTC) + timedelta(hours=1)
        options = ["--until", f"{until:%H:%M}", "--timezone", "UTC"]
        return self.start_night(self.outputs, self.step, options)

    def start_night(self, outputs: Path, step: float, options: list[str]) -> NightHandle:
        """Start a night. options: of the command; the first two name a time and a zone."""
        command = ["night", str(self._boards.folder), "--backend", "faults", "--outputs", str(outputs), *options]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "benchmarks.faults.night_process", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(step),
                process_group=0,
            )

    def _environment(self, step: float) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WAN_RENDER_")}
        return {
            **kept,
            CONTROL: str(self.control),
            STEP_SECONDS: str(step),
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "WAN_RENDER_LOCKS": str(self.folder / "locks"),
            "WAN_RENDER_PATIENCE": PATIENCE,
        }

    def _wait(self, night: NightHandle) -> object:
        """Its exit code. One that hangs is a complaint, and says where it hangs."""
        try:
            night.wait(HUNG_SECONDS)
        except subprocess.TimeoutExpired:
            self.complain(f"a night hung; its threads are in {self._log}")
            night.send_signal(signal.SIGABRT)
            night.wait(30)
        self._ended(night)
        return night.returncode

    def _ended(self, night: NightHandle | None) -> None:
        if night is not None:
            self._codes[night.returncode] += 1
            self._note(f"    a night ended with {night.returncode}")

    def _last_night(self) -> None:
        """The resume without faults."""
        (self.control / CLOCK).unlink(missing_ok=True)
        for trigger in self.control.glob("*"):
            if trigger.name in ("hang", "memory", "space"):
                trigger.unlink()
        code = self._wait(self.start_night(self.outputs, self.step / 5, []))
        if code != 0:
            self.complain(f"the last night, without faults, ended with {code}")

    # The end

    def _judge(self, ledger: Ledger) -> None:
        reference = self.folder / "reference"
        self.control = self.folder / "control of the reference"
        self.control.mkdir()
        code = self._wait(self.start_night(reference, 0.0, []))
        if code != 0:
            self.complain(f"the run without faults ended with {code}")
        self._complaints += differing_films(self.outputs, reference)
        self._complaints += ledger.complaints()
        self._complaints += unverified(self.outputs)
        self._complaints += leftovers(self.folder, self.outputs)

    def _report(self, ledger: Ledger, began: float, is_mounted: bool) -> None:  # noqa: FBT001 - one caller
        kinds = Counter(fault.kind for fault in ledger.faults)
        seconds, load = time.monotonic() - began, os.getloadavg()[0]
        print(f"seed {self.seed}: {len(ledger.faults)} faults in {seconds:.0f} s, load {load:.1f}")
        print("  " + ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items())))
        print(f"  the disk was {'a tmpfs that was filled' if is_mounted else 'full by a stand-in, not in fact'}")
        print(f"  {len(ledger.appeared)} takes; renders: {ledger.begun} begun, {ledger.renders} finished")
        print(f"  {sum(ledger.damages.values())} damages; {ledger.tighter()} attempts with less memory")
        print(f"  nights by exit code: {dict(self._codes)}")

    def _note(self, text: str) -> None:
        with suppress(OSError), self._log.open("a") as log:
            log.write(f"=== {time.monotonic():.1f} {text}\n")


def _process(night: NightHandle) -> psutil.Process | None:
    """Its process; None if it has none now."""
    with suppress(psutil.Error):
        return psutil.Process(night.pid) if night.pid else None
    return None
