"""The outputs folder: takes by content, films by version, and what was last rendered under each shot's id.

    wan-render-store.json    marks the folder as a store (see outputs.py)
    takes/<key>/             clip.mkv, preview.mp4, first.png, last.png, take.json, … (see record.py)
    takes/.corrupt/<key>-1/  a damaged take, set aside
    stages/<key>/            intermediate results of takes (see stages.py)
    intermediates/<key>/     video and sound that finishing made from clips (see intermediates.py)
    logs/                    the output of each attempt to render a take (see take_logs.py)
    cloud/                   what was bought from services (see purchase_ledger.py)
    films/<slug>/v001/       film.mp4, index.html, …, film.json (see films.py)
    films/<slug>/v001/deliverables/    what was made of it afterwards (see delivered_files.py)
    films/<slug>/memory.json, storyboard.json    what was rendered last, and from which file
    */.locks/, */.part-*     locks of runs, and unfinished work

Everything appears complete, by a rename; nothing is overwritten. Every method is safe in several processes and threads.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.errors import DiskFullError, Problem
from wan_render.store.disk import disk_error, free_disk_bytes, gigabytes
from wan_render.store.file_locks import once, remove_free_locks
from wan_render.store.films import PAGE, SRT, VIDEO, VTT, FilmRecord, Films, FilmVersion, read_film
from wan_render.store.intermediates import Intermediates
from wan_render.store.memory import Memory
from wan_render.store.outputs import Outputs, mark, outputs_for
from wan_render.store.record import (
    CLIP,
    FIRST,
    LAST,
    LATENTS,
    PREVIEW,
    SIDECAR,
    TOGETHER,
    Clip,
    Filled,
    Provenance,
    TakeRecord,
)
from wan_render.store.shared_lock import alone, shared, sharers_of
from wan_render.store.stages import StageFiles
from wan_render.store.take_logs import Logs
from wan_render.store.take_times import TIMES, TakeSeconds, TakeTimes, times_of
from wan_render.store.takes import Fill, Takes
from wan_render.take import Take

if TYPE_CHECKING:
    from wan_render.store.purchase_ledger import PurchaseLedger

__all__ = [
    "CLIP",
    "FIRST",
    "LAST",
    "LATENTS",
    "PAGE",
    "PREVIEW",
    "SIDECAR",
    "SRT",
    "TOGETHER",
    "VIDEO",
    "VTT",
    "Clip",
    "Fill",
    "Filled",
    "FilmRecord",
    "FilmVersion",
    "Outputs",
    "Provenance",
    "Store",
    "TakeRecord",
    "TakeSeconds",
    "outputs_for",
    "read_film",
]


MEASURED_TAKES = 1000
"""How many of the newest takes of an earlier version are read for their times."""


class Store:
    """One outputs folder. Reading creates nothing: the folder need not exist. takes: the finished takes, with all that
    can be done with them; here is only what most callers need. memory: what was rendered, and whose a slug is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.takes = Takes(root / "takes")
        self.films = Films(root / "films")
        self.stages = StageFiles(root / "stages")
        self.intermediates = Intermediates(root / "intermediates")
        self.logs = Logs(root / "logs")
        self._times = TakeTimes(root / TIMES)
        self.memory = Memory(root / "films")

    # Takes

    def find(self, key: str) -> Clip | None:
        """The take, if it looks complete (record and sizes). Cheap, for plans."""
        return self.takes.find(key)

    def verify(self, key: str) -> Clip | None:
        """The take, if every byte is as published. A damaged one is set aside in takes/.corrupt, with a warning of the
        logger `wan_render.store`; `takes.damaged` then finds it. Also None for a take that cannot be read: see
        `takes.unreadable`."""
        return self.takes.verify(key)

    def record(self, key: str) -> TakeRecord:
        """The take.json of an existing take. Raises ValueError or OSError otherwise."""
        return self.takes.record(key)

    def matching(self, digits: str) -> tuple[str, ...]:
        """Keys of the complete takes that begin with these digits."""
        return tuple(filter(self.find, self.takes.keys(digits)))

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

    @cached_property
    def purchases(self) -> PurchaseLedger:
        """What was bought from services."""
        from wan_render.store.purchase_ledger import PurchaseLedger  # few films buy anything

        return PurchaseLedger(self.root)

    # The folder as a whole

    def in_use(self, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Protect the folder from `prune`, together with other runs. `waiting` is called once if it has to wait."""
        return shared(self._use, once(waiting))

    def alone(self, waiting: Callable[[], None]) -> AbstractContextManager[object]:
        """Keep every run out of the folder, to delete from it. `waiting` is called once if it has to wait."""
        return alone(self._use, once(waiting))

    def prepare(self) -> None:
        """Make the folders, and remove leftovers of dead runs and the oldest logs. Raises DiskError if nothing can be
        written."""
        self.refuse_file()
        for folder in (self.takes.folder, self.films.folder):
            self._probe(folder, folder / ".locks")
        self._probe(self.logs.folder)
        with suppress(OSError):  # its folders mark it as well
            mark(self.root)
        remove_free_locks(sharers_of(self._use))
        self.takes.sweep()
        self._times.prepare(self.takes.newest(MEASURED_TAKES))
        self.stages.sweep()
        self.intermediates.sweep()
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
