"""The outputs folder: takes by content, films by version, and what was last rendered under each shot's id.

    wan-render-store.json    marks the folder as a store (see outputs.py)
    takes/<key>/             clip.mkv, preview.mp4, first.png, last.png, take.json (see record.py)
    takes/.corrupt/<key>-1/  a damaged take, set aside
    stages/<key>/            intermediate results of takes (see stages.py)
    logs/                    the output of each attempt to render a take (see take_logs.py)
    films/<slug>/v001/       film.mp4, index.html, …, film.json (see films.py)
    films/<slug>/memory.json, storyboard.json    what was rendered last, and from which file
    */.locks/, */.part-*     locks of runs, and unfinished work

Everything appears complete, by a rename; nothing is overwritten. Every method is safe in several processes and threads.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from wan_render.errors import DiskFullError, Problem
from wan_render.quality.measurements import Measurements
from wan_render.store.disk import disk_error, free_disk_bytes, gigabytes
from wan_render.store.films import PAGE, VIDEO, FilmRecord, Films, FilmVersion, read_film
from wan_render.store.memory import Memory, Remembered, succession
from wan_render.store.outputs import Outputs, mark, outputs_for
from wan_render.store.record import (
    CLIP,
    FIRST,
    LAST,
    PREVIEW,
    SIDECAR,
    TOGETHER,
    Clip,
    FileFact,
    Filled,
    Provenance,
    TakeRecord,
)
from wan_render.store.stages import StageFiles
from wan_render.store.take_locks import locked, once, shared
from wan_render.store.take_logs import Logs
from wan_render.store.take_times import TIMES, TakeSeconds, TakeTimes, times_of
from wan_render.store.takes import Fill, Takes
from wan_render.take import Take

__all__ = [
    "CLIP",
    "FIRST",
    "LAST",
    "PAGE",
    "PREVIEW",
    "SIDECAR",
    "TOGETHER",
    "VIDEO",
    "Clip",
    "FileFact",
    "Fill",
    "Filled",
    "FilmRecord",
    "FilmVersion",
    "Outputs",
    "Provenance",
    "Remembered",
    "Store",
    "TakeRecord",
    "TakeSeconds",
    "outputs_for",
    "read_film",
]


MEASURED_TAKES = 1000
"""How many of the newest takes of an earlier version are read for their times."""


class Store:
    """One outputs folder. Reading creates nothing: the folder need not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.takes = Takes(root / "takes")
        self.films = Films(root / "films")
        self.stages = StageFiles(root / "stages")
        self.logs = Logs(root / "logs")
        self._times = TakeTimes(root / TIMES)
        self._memory = Memory(root / "films")

    # Takes

    def find(self, key: str) -> Clip | None:
        """The take, if it looks complete (record and sizes). Cheap, for plans."""
        return self.takes.find(key)

    def verify(self, key: str) -> Clip | None:
        """The take, if every byte is as published. A damaged one is set aside in takes/.corrupt, with a warning of the
        logger `wan_render.store`; `damaged` then finds it. Also None for a take that cannot be read: see
        `unreadable`."""
        return self.takes.verify(key)

    def damaged(self, key: str) -> Path | None:
        """The folder of a damaged take: its own or, once verified, the one it was set aside in. None if undamaged."""
        return self.takes.damaged(key)

    def set_aside(self, key: str, why: str) -> None:
        """Treat a take as damaged: move it to takes/.corrupt, with a warning. why: the reason in words."""
        self.takes.reject(key, why)

    def unreadable(self, key: str) -> Problem | None:
        """Why this user cannot read an existing take; None for any other take."""
        return self.takes.unreadable(key)

    def record(self, key: str) -> TakeRecord:
        """The take.json of an existing take. Raises ValueError or OSError otherwise."""
        return self.takes.record(key)

    def matching(self, digits: str) -> tuple[str, ...]:
        """Keys of the complete takes that begin with these digits."""
        return tuple(key for key in self.keys(digits) if self.find(key))

    def keys(self, digits: str) -> tuple[str, ...]:
        """Keys that begin with these digits and have a folder, complete or not."""
        return tuple(key for key in self.takes.keys() if key.startswith(digits))  # noqa: SIM118

    def lock(self, key: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the lock of one take. While another run holds it, `waiting` is called at once and then every second."""
        return self.takes.lock(key, waiting)

    def hand_over(self, key: str) -> Callable[[], None]:
        """Pass this thread's lock of a take to another thread: the one that calls the returned function."""
        return self.takes.hand_over(key)

    def publish(self, take: Take, fill: Fill) -> Clip:
        """Publish a take. `fill` writes its files into a temporary folder; see Takes.publish."""
        clip = self.takes.publish(take, fill)
        with suppress(OSError, ValueError):  # the take is there; only its time is lost
            self._times.add(self.takes.record(take.key))
        return clip

    def take_times(self) -> tuple[TakeSeconds, ...]:
        """How long finished takes took, oldest first, including those that were pruned. Without the file of a run of
        this version, those of the newest takes."""
        known = self._times.read()
        if known is not None:
            return known
        found = (times_of(record) for record in self.takes.newest(MEASURED_TAKES))
        return tuple(sorted((times for times in found if times is not None), key=lambda times: times.made))

    def add_measurements(self, key: str, measurements: Measurements) -> None:
        """Put measurements into the record of a take; see Takes.add_measurements."""
        self.takes.add_measurements(key, measurements)

    # What was rendered, and whose it is

    def remembered(self, slug: str) -> Remembered:
        """Shot id → take number → the canonical fields of the take that was last rendered there."""
        return self._memory.remembered(slug)

    def remember(self, slug: str, shot: str, number: int, take: Take) -> None:
        """Record what was rendered under a shot's id."""
        self._memory.remember(slug, {shot: {number: take}})

    def remember_all(self, slug: str, takes: Mapping[str, Mapping[int, Take]]) -> None:
        """`remember`, for many shots at once."""
        self._memory.remember(slug, takes)

    def claim(self, slug: str, file: Path) -> None:
        """Record that the slug belongs to this storyboard. Raises InputError if another existing storyboard has it."""
        self._memory.claim(slug, file)

    def succession(self, slug: str, file: Path) -> str:
        """A sentence that this storyboard will take over the slug from one that is gone; "" if it will not."""
        former = self._memory.predecessor(slug, file)
        return succession(slug, former, file) if former is not None else ""

    def refuse_rival(self, slug: str, file: Path) -> None:
        """Raise InputError if another storyboard has the slug in this store. Writes nothing."""
        self._memory.refuse_rival(slug, file)

    # The folder as a whole

    def in_use(self, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Protect the folder from `prune`, together with other runs. `waiting` is called once if it has to wait."""
        return shared(self._use, once(waiting))

    def alone(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Keep every run out of the folder, to delete from it. `waiting` is called once if it has to wait."""
        return locked(self._use, once(waiting))

    def prepare(self) -> None:
        """Make the folders, and remove leftovers of dead runs and the oldest logs. Raises DiskError if nothing can be
        written."""
        self.refuse_file()
        for folder in (self.takes.folder, self.films.folder):
            self._probe(folder, folder / ".locks")
        self._probe(self.logs.folder)
        with suppress(OSError):  # its folders mark it as well
            mark(self.root)
        self.takes.sweep()
        self._times.prepare(self.takes.newest(MEASURED_TAKES))
        self.stages.sweep()
        self.films.sweep()
        self.logs.sweep()

    def refuse_file(self) -> None:
        """Raise DiskError if the folder, or one of its parents, is a file. Writes nothing."""
        there = next(path for path in (self.root, *self.root.absolute().parents) if os.path.exists(path))  # noqa: PTH110 - also False if a parent is unreadable
        if not there.is_dir():
            raise disk_error(self.root, NotADirectoryError(errno.ENOTDIR, ""))

    def _probe(self, folder: Path, *others: Path) -> None:
        """Check that files can be made there. Errors name the outputs folder or a folder in it, not the probe."""
        try:
            for place in (folder, *others):
                place.mkdir(parents=True, exist_ok=True)
                probe = place / ".probe"
                probe.touch()
                probe.unlink(missing_ok=True)
        except OSError as error:
            known = folder if os.path.exists(folder) else self.root  # noqa: PTH110 - also False if it is unreadable
            raise disk_error(known, OSError(error.errno, error.strerror)) from error

    def need(self, size: int) -> None:
        """Raise DiskFullError if fewer than `size` bytes are free."""
        free = free_disk_bytes(self.root)
        if free < size:
            raise DiskFullError(
                Problem(
                    str(self.root),
                    f"{gigabytes(free)} are free",
                    f"about {gigabytes(size)} are needed to render the film",
                    "free some space (`wan-render prune FILE`), or choose another folder with --outputs DIR",
                )
            )

    @property
    def _use(self) -> Path:
        return self.root.absolute() / ".in-use"
