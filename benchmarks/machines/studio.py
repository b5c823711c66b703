"""A studio of several "machines" on one: processes with a machine name and device locks of their own, whose flocks do
not reach each other, and one outputs folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.faults.fault_backend import CONTROL, RENDERS, STEP_SECONDS
from benchmarks.faults.storyboards import Films as Storyboards
from wan_render.store import VIDEO, read_film
from wan_render.store.films import Films

BACKEND, SLUG = "faults", "film-1"
PROJECT = Path(__file__).parents[2]

MACHINES = ("studio-a", "studio-b")
"""The last one dies, if one does."""


@dataclass(frozen=True)
class Studio:
    """One film and the machines that render it.

    folder: of everything. takes: of the film. step: seconds that each frame sleeps. lease: see MachineSettings.
    kills: whether one machine dies when half of the takes are there. dead: the machines that died. lost: keys of the
    takes that they held then: often two, one that is being written and the next one.
    """

    folder: Path
    takes: int
    step: float
    lease: float
    kills: bool = False
    dead: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    @property
    def storyboard(self) -> Path:
        """The film."""
        return self.folder / "storyboards" / f"{SLUG}.yaml"

    @property
    def outputs(self) -> Path:
        """What all machines share."""
        return self.folder / "outputs"

    def write(self, seed: int = 15) -> None:
        """Write the storyboard: the same for each seed."""
        import random

        (self.folder / "control").mkdir(parents=True)
        films = Storyboards(self.folder / "storyboards", 1, self.takes)
        films.write(random.Random(seed))  # noqa: S311 - repeatable, and no secret

    def environment(self, machine: str) -> dict[str, str]:
        """Of the processes of a machine."""
        home = self.folder / machine
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        others = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "WAN_RENDER"))}
        return {
            **others,
            "PYTHONPATH": str(PROJECT),
            CONTROL: str(self.folder / "control"),
            STEP_SECONDS: str(self.step),
            "XDG_CACHE_HOME": str(home / "cache"),
            "TMPDIR": str(home / "tmp"),
            "WAN_RENDER_MACHINE": machine,
            "WAN_RENDER_FLOCK": "local",
            "WAN_RENDER_LEASE": str(self.lease),
            "WAN_RENDER_LOCKS": str(home / "tmp"),
            "WAN_RENDER_OUTPUTS": str(self.outputs),
        }

    def start(self, machine: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a `wan-render` on a machine. What it says is in the file `said` of the machine's folder."""
        variables = self.environment(machine)
        command = [sys.executable, "-m", "benchmarks.machines.slow_program", *words, "--backend", BACKEND]
        with (self.folder / machine / "said").open("ab") as said:
            return subprocess.Popen(
                command, cwd=self.folder, env=variables, stdout=said, stderr=said, start_new_session=True
            )

    def said(self, machine: str) -> str:
        """What the commands of a machine said so far."""
        return (self.folder / machine / "said").read_text(encoding="utf-8")

    @contextmanager
    def accident(self, kill: Callable[[str], None], victim: str = MACHINES[-1]) -> Iterator[None]:
        """Inside, one machine dies in the middle of the film, if the studio has it so. kill: ends its processes."""
        over = threading.Event()

        def die() -> None:
            while self.published < self.takes // 2 or not self.held_by(victim):
                if over.wait(0.05):
                    return
            self.dead.add(victim)
            kill(victim)
            while not over.wait(0.05):  # its processes may live a moment longer, its leases too
                self.lost.update(self.held_by(victim))

        thread = threading.Thread(target=die if self.kills else over.wait, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # What came of it

    @property
    def published(self) -> int:
        """How many takes are in the store."""
        return len(list((self.outputs / "takes").glob("[0-9a-f]*")))

    def held_by(self, machine: str) -> set[str]:
        """Keys of the takes whose leases name a machine."""
        found = set()
        for file in (self.outputs / "takes" / ".locks").glob("*.lease"):
            with suppress(OSError):
                if f'"{machine}"' in file.read_text(encoding="utf-8"):
                    found.add(file.stem)
        return found

    @property
    def begun_again(self) -> set[str]:
        """Keys of the takes that were rendered more often than one dead machine explains."""
        return {key for key, times in self.begun.items() if times > 1 + (key in self.lost)}

    @property
    def begun(self) -> Counter[str]:
        """How often each take was begun to be rendered, by its key."""
        return self._noted("begin")

    @property
    def rendered(self) -> Counter[str]:
        """How often each take was rendered to its end."""
        return self._noted("end")

    def film_digest(self) -> str:
        """SHA-256 of the newest film.mp4: equal films have equal ones."""
        film = Films(self.outputs / "films").latest(SLUG)
        if film is None or film.slates:
            return f"no whole film: {film}"
        return read_film(film.folder).files[VIDEO].sha256

    def _noted(self, what: str) -> Counter[str]:
        with suppress(FileNotFoundError):
            lines = (self.folder / "control" / RENDERS).read_text().splitlines()
            return Counter(line.split()[1] for line in lines if line.split()[0] == what)
        return Counter()


def until(seconds: float, condition: Callable[[], object]) -> None:
    """Wait until a condition is true. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.1)


def family(process: int) -> Iterator[psutil.Process]:
    """A process and all its descendants."""
    with suppress(psutil.Error):
        parent = psutil.Process(process)
        yield from (*parent.children(recursive=True), parent)


def signal_all(process: int, number: signal.Signals) -> None:
    """Send a signal to a process and its descendants, as if its machine stopped or died."""
    for each in tuple(family(process)):
        with suppress(psutil.Error):
            each.send_signal(number)
