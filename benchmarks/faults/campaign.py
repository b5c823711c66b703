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

import psutil

from benchmarks.faults.aftermath import differing_films, leftovers, unverified
from benchmarks.faults.fault_backend import CONTROL, STEP_SECONDS
from benchmarks.faults.fault_ledger import Ledger
from benchmarks.faults.injections import WEIGHTS, Injections
from benchmarks.faults.night_process import CLOCK
from benchmarks.faults.storyboards import Films

MOUNT_MEGABYTES = 300
PATIENCE = "0.02"
"""Of the watchdogs: a hang is found after 2 s."""

HUNG_SECONDS = 120.0
"""A night that takes longer without a fault hangs."""


@dataclass
class Campaign:
    folder: Path
    seed: int
    films: int
    shots: int
    gap: float
    step: float

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 - repeatable, and no secret
        self._boards = Films(self.folder / "storyboards", self.films, self.shots)
        self._control = self.folder / "control"
        self._outputs = self.folder / "outputs"
        self._log = self.folder / "nights.log"
        self._codes: Counter[int] = Counter()
        self._hung: list[str] = []

    def run(self, faults: int) -> list[str]:
        """Everything; returns what did not hold."""
        for folder in (self._boards.folder, self._control, self._outputs, self.folder / "tmp"):
            folder.mkdir(parents=True)
        is_mounted = self._mount()
        self._boards.write(self._rng)
        ledger = Ledger(self._control, self._outputs / "takes")
        ledger.start()
        injections = Injections(self._rng, self._boards, self._outputs, self._control, ledger, is_mounted)
        began = time.monotonic()
        self._harm(faults, ledger, injections)
        last = self._last_night()
        ledger.stop()
        self._report(ledger, began, is_mounted)
        return [*self._hung, *last, *self._judge(ledger)]

    def remove(self) -> None:
        """Unmount and delete everything."""
        subprocess.run(["umount", str(self._outputs)], check=False, stderr=subprocess.DEVNULL)  # noqa: S607 - as mounted
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mount(self) -> bool:
        if os.geteuid() != 0:
            return False
        options = ["-t", "tmpfs", "-o", f"size={MOUNT_MEGABYTES}m", "faults", str(self._outputs)]
        return subprocess.run(["mount", *options], check=False).returncode == 0  # noqa: S607 - the system's

    # Nights

    def _harm(self, faults: int, ledger: Ledger, injections: Injections) -> None:
        night: subprocess.Popen[bytes] | None = None
        plan = self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=faults)
        # The order and the pauses depend on the seed alone.
        pauses = [self._rng.expovariate(1 / self.gap) for _ in plan]
        waiting: list[str] = []
        for kind, pause in zip(plan, pauses, strict=True):
            waiting.append(kind)
            until = time.monotonic() + pause
            while waiting or time.monotonic() < until:
                if night is None or night.poll() is not None:
                    self._ended(night)
                    night = self._begin(injections)
                if time.monotonic() >= until and waiting:
                    fault = injections.one(waiting[0])
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

    def _begin(self, injections: Injections) -> subprocess.Popen[bytes]:
        (self._control / CLOCK).unlink(missing_ok=True)
        until = datetime.now(UTC) + timedelta(hours=1)
        options = ["--until", f"{until:%H:%M}", "--timezone", "UTC"]
        night = self._start(self._outputs, self.step, options)
        injections.night = psutil.Process(night.pid)
        return night

    def _start(self, outputs: Path, step: float, options: list[str]) -> subprocess.Popen[bytes]:
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
            CONTROL: str(self._control),
            STEP_SECONDS: str(step),
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "WAN_RENDER_LOCKS": str(self.folder / "locks"),
            "WAN_RENDER_PATIENCE": PATIENCE,
        }

    def _wait(self, night: subprocess.Popen[bytes]) -> int:
        """Its exit code. One that hangs is a complaint, and says where it hangs."""
        try:
            night.wait(HUNG_SECONDS)
        except subprocess.TimeoutExpired:
            self._hung.append(f"a night hung; its threads are in {self._log}")
            night.send_signal(signal.SIGABRT)
            night.wait(30)
        self._ended(night)
        return night.returncode

    def _ended(self, night: subprocess.Popen[bytes] | None) -> None:
        if night is not None:
            self._codes[night.returncode] += 1
            self._note(f"    night {night.pid} ended with {night.returncode}")

    def _last_night(self) -> list[str]:
        """The resume without faults."""
        (self._control / CLOCK).unlink(missing_ok=True)
        for trigger in self._control.glob("*"):
            if trigger.name in ("hang", "memory", "space"):
                trigger.unlink()
        code = self._wait(self._start(self._outputs, self.step / 5, []))
        return [] if code == 0 else [f"the last night, without faults, ended with {code}"]

    # The end

    def _judge(self, ledger: Ledger) -> list[str]:
        reference = self.folder / "reference"
        self._control = self.folder / "control of the reference"
        self._control.mkdir()
        code = self._wait(self._start(reference, 0.0, []))
        found = [] if code == 0 else [f"the run without faults ended with {code}"]
        found += differing_films(self._outputs, reference)
        found += ledger.complaints()
        found += unverified(self._outputs)
        found += leftovers(self.folder, self._outputs)
        return found

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
