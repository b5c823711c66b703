"""The faults of a campaign. Each returns what it did, or None if it found no victim at the moment."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.faults.fault_ledger import Fault, Ledger
from benchmarks.faults.night_process import CLOCK
from benchmarks.faults.storyboards import Films

WEIGHTS = {
    "kill a device process": 15,
    "kill ffmpeg": 10,
    "kill the night": 10,
    "terminate the night": 3,
    "stop ffmpeg": 5,
    "hang": 8,
    "memory": 8,
    "full disk": 6,
    "truncate": 10,
    "flip": 10,
    "edit": 10,
    "clock": 5,
}
"""How often each kind of fault happens, in parts of 100."""

FULL_SECONDS = 1.5
HOURS_WRONG = 3
LOST = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


@dataclass
class Injections:
    """Harms one night. outputs: on a file system of its own if it can be filled (is_mounted). night: its process.
    elsewhere: processes that work for it and are no children of it."""

    rng: random.Random
    films: Films
    outputs: Path
    control: Path
    ledger: Ledger
    is_mounted: bool
    night: psutil.Process | None = None
    elsewhere: Callable[[], Iterable[psutil.Process]] = tuple

    def one(self, kind: str) -> Fault | None:
        """Try this fault now."""
        actions: dict[str, Callable[[str], Fault | None]] = {
            "kill a device process": self._kill_device,
            "kill ffmpeg": lambda kind: self._signal_ffmpeg(kind, signal.SIGKILL),
            "stop ffmpeg": lambda kind: self._signal_ffmpeg(kind, signal.SIGSTOP),
            "kill the night": lambda kind: self._signal_night(kind, signal.SIGKILL),
            "terminate the night": lambda kind: self._signal_night(kind, signal.SIGTERM),
            "hang": self._trigger,
            "memory": self._trigger,
            "full disk": self._fill_disk,
            "truncate": self._damage,
            "flip": self._damage,
            "edit": self._edit,
            "clock": self._set_clock,
        }
        with suppress(*LOST):
            return actions[kind](kind)
        return None

    # Processes

    def _kill_device(self, kind: str) -> Fault | None:
        processes = [each for each in self._below() if "wan_render.farm.process.child" in each.cmdline()]
        if not processes:
            return None
        victim = self.rng.choice(processes)
        victim.kill()
        return Fault(kind, f"process {victim.pid}", time.monotonic(), victim.pid)

    def _signal_ffmpeg(self, kind: str, number: signal.Signals) -> Fault | None:
        for _ in range(100):
            for each in self._below():
                with suppress(*LOST):
                    if "ffmpeg" in each.name() and "-progress" in each.cmdline():
                        parent = each.ppid()
                        each.send_signal(number)
                        of = 0 if self.night is None or parent == self.night.pid else parent
                        return Fault(kind, f"ffmpeg {each.pid} of {parent}", time.monotonic(), of)
            time.sleep(0.01)
        return None

    def _signal_night(self, kind: str, number: signal.Signals) -> Fault | None:
        if self.night is None or not self.night.is_running() or self.night.status() == psutil.STATUS_ZOMBIE:
            return None
        self.night.send_signal(number)
        return Fault(kind, f"process {self.night.pid}", time.monotonic())

    def _below(self) -> Iterator[psutil.Process]:
        if self.night is not None:
            yield from self.night.children(recursive=True)
        yield from self.elsewhere()

    # Inside the backend

    def _trigger(self, kind: str) -> Fault | None:
        """Wait until a renderer takes it, so that the fault is known to have happened, and where."""
        trigger = self.control / ("space" if kind == "full disk" else kind)
        trigger.touch()
        for _ in range(200):
            if taken := list(self.control.glob(f"{trigger.name}.*.taken")):
                process = int(taken[0].name.split(".")[1])
                taken[0].unlink()
                return Fault(kind, f"in process {process}", time.monotonic(), process, 10.0 if kind == "hang" else 0.0)
            time.sleep(0.01)
        with suppress(FileNotFoundError):
            trigger.unlink()
            return None
        return self._trigger(kind)  # it was taken in this moment

    # Files

    def _fill_disk(self, kind: str) -> Fault | None:
        if not self.is_mounted:
            return self._trigger(kind)
        if not list(self._below()):
            return None
        began, ballast = time.monotonic(), self.outputs / "ballast"
        state = os.statvfs(self.outputs)
        with suppress(OSError), ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, state.f_bavail * state.f_frsize - self.rng.randrange(200_000)))
        time.sleep(FULL_SECONDS)
        ballast.unlink()
        return Fault(kind, "the outputs' file system", began, 0, time.monotonic() - began)

    def _damage(self, kind: str) -> Fault | None:
        takes = sorted(path for path in self.ledger.takes.glob("[!.]*") if path.is_dir())
        if not takes:
            return None
        take = self.rng.choice(takes)
        with suppress(OSError):
            number = take.stat().st_ino
            file = self.rng.choice(sorted(path for path in take.iterdir() if path.name != "preview.mp4"))
            content = bytearray(file.read_bytes())
            at = self.rng.randrange(len(content))
            if kind == "flip":
                content[at] ^= 1 << self.rng.randrange(8)
            with file.open("r+b") as stream:
                stream.write(content[: at if kind == "truncate" else None])
                stream.truncate()
            self.ledger.damage(take.name, number)
            return Fault(kind, f"{take.name[:8]}/{file.name} at {at}", time.monotonic())
        return None

    def _edit(self, kind: str) -> Fault | None:
        return Fault(kind, self.films.edit(self.rng), time.monotonic())

    # The clock

    def _set_clock(self, kind: str) -> Fault | None:
        """Step over the end of the window, until the next night begins."""
        if self.night is None or not self.night.is_running() or (self.control / CLOCK).exists():
            return None
        (self.control / CLOCK).write_text(str(HOURS_WRONG * 3600))
        return Fault(kind, f"{HOURS_WRONG} hours ahead", time.monotonic(), 0, 30.0)
