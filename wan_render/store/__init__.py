"""The outputs folder: takes by content, films by version, and what was last rendered under each shot's id.

    wan-render-store.json    that it is a store (see outputs.py)
    takes/<key>/             clip.mkv, preview.mp4, first.png, last.png, take.json (see record.py)
    takes/.corrupt/<key>-1/  a damaged take, set aside
    stages/<key>/            what a renderer worked out on the way to takes (see stages.py)
    logs/                    what was printed at each attempt at a take (see logs.py)
    films/<slug>/v001/       film.mp4, index.html, …, film.json (see films.py)
    films/<slug>/memory.json, storyboard.json    what was rendered last, and from which file
    */.locks/, */.part-*     who is at work, and what is not finished

Everything appears whole, by rename; nothing is overwritten. Every method is safe in several processes and threads.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from wan_render.errors import DiskFullError, Problem
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
    Provenance,
    TakeRecord,
)
from wan_render.store.stages import StageFiles
from wan_render.store.take_locks import locked, once, shared
from wan_render.store.take_logs import Logs
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
    "FilmRecord",
    "FilmVersion",
    "Outputs",
    "Provenance",
    "Remembered",
    "Store",
    "TakeRecord",
    "outputs_for",
    "read_film",
]


class Store:
    """One outputs folder. To look at it makes nothing: the folder need not be there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.takes = Takes(root / "takes")
        self.films = Films(root / "films")
        self.stages = StageFiles(root / "stages")
        self.logs = Logs(root / "logs")
        self._memory = Memory(root / "films")

    # Takes

    def find(self, key: str) -> Clip | None:
        """The take if it looks whole (record, sizes); cheap, for plans."""
        return self.takes.find(key)

    def verify(self, key: str) -> Clip | None:
        """The take if every byte is as published; a damaged one is set aside in takes/.corrupt, named in a warning
        of the logger `wan_render.store` and by `damaged`. None, too, for one that cannot be read: see `unreadable`."""
        return self.takes.verify(key)

    def damaged(self, key: str) -> Path | None:
        """Where what is left of a damaged take lies: in its place or, once verified, set aside; None for no damage."""
        return self.takes.damaged(key)

    def set_aside(self, key: str, why: str) -> None:
        """Treat a take like a damaged one, for a reason in words: it stays in takes/.corrupt, named in a warning."""
        self.takes.reject(key, why)

    def unreadable(self, key: str) -> Problem | None:
        """Why a take that is there cannot be read by this user; None for every other one."""
        return self.takes.unreadable(key)

    def record(self, key: str) -> TakeRecord:
        """The sidecar of a take that is there. Raises ValueError or OSError otherwise."""
        return self.takes.record(key)

    def matching(self, digits: str) -> tuple[str, ...]:
        """Keys of the whole takes that begin with these digits."""
        return tuple(key for key in self.keys(digits) if self.find(key))

    def keys(self, digits: str) -> tuple[str, ...]:
        """Keys that begin with these digits and have a folder, whole or not."""
        return tuple(key for key in self.takes.keys() if key.startswith(digits))  # noqa: SIM118

    def lock(self, key: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold one take; `waiting` is called at once and then every second while another run holds it."""
        return self.takes.lock(key, waiting)

    def hand_over(self, key: str) -> Callable[[], None]:
        """Let the thread that calls what is returned go on holding the take that this one holds."""
        return self.takes.hand_over(key)

    def publish(self, take: Take, fill: Fill) -> Clip:
        """`fill` writes the files into a folder beside and returns the provenance; see Takes.publish."""
        return self.takes.publish(take, fill)

    # What was rendered, and whose it is

    def remembered(self, slug: str) -> Remembered:
        """Shot id → take number → the fields of the take last rendered there, in canonical form."""
        return self._memory.remembered(slug)

    def remember(self, slug: str, shot: str, number: int, take: Take) -> None:
        """Note what was rendered under a shot's id."""
        self._memory.remember(slug, {shot: {number: take}})

    def remember_all(self, slug: str, takes: Mapping[str, Mapping[int, Take]]) -> None:
        """`remember`, for many shots at once."""
        self._memory.remember(slug, takes)

    def claim(self, slug: str, file: Path) -> None:
        """Note that the slug is this storyboard's. Raises InputError when another storyboard, still there, has it."""
        self._memory.claim(slug, file)

    def succession(self, slug: str, file: Path) -> str:
        """That this storyboard will take the slug over from one that is gone; "" where it will not."""
        former = self._memory.predecessor(slug, file)
        return succession(slug, former, file) if former is not None else ""

    def refuse_rival(self, slug: str, file: Path) -> None:
        """Raise InputError when another storyboard has the slug here; writes nothing."""
        self._memory.refuse_rival(slug, file)

    # The folder as a whole

    def in_use(self, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Hold the folder against `prune`, with any number of other runs; `waiting` is called once for a wait."""
        return shared(self._use, once(waiting))

    def alone(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the folder against every run, to delete from it; `waiting` is called once for a wait."""
        return locked(self._use, once(waiting))

    def prepare(self) -> None:
        """Make the folders, remove what dead runs left and the oldest of too many logs. Raises DiskError where nothing
        can be written."""
        self.refuse_file()
        for folder in (self.takes.folder, self.films.folder):
            self._probe(folder, folder / ".locks")
        self._probe(self.logs.folder)
        with suppress(OSError):  # it is recognised by its folders too
            mark(self.root)
        self.takes.sweep()
        self.stages.sweep()
        self.films.sweep()
        self.logs.sweep()

    def refuse_file(self) -> None:
        """Raise DiskError where a file stands in the folder's place or on the way to it; writes nothing."""
        there = next(path for path in (self.root, *self.root.absolute().parents) if os.path.exists(path))  # noqa: PTH110 - False, too, where a folder on the way may not be read
        if not there.is_dir():
            raise disk_error(self.root, NotADirectoryError(errno.ENOTDIR, ""))

    def _probe(self, folder: Path, *others: Path) -> None:
        """See that files can be made there. An error names what the user knows: the outputs, or a folder in them."""
        try:
            for place in (folder, *others):
                place.mkdir(parents=True, exist_ok=True)
                probe = place / ".probe"
                probe.touch()
                probe.unlink(missing_ok=True)
        except OSError as error:
            known = folder if os.path.exists(folder) else self.root  # noqa: PTH110 - False, too, where it may not be read
            raise disk_error(known, OSError(error.errno, error.strerror)) from error

    def need(self, size: int) -> None:
        """Raise DiskFullError where fewer bytes than `size` are free."""
        free = free_disk_bytes(self.root)
        if free < size:
            raise DiskFullError(
                Problem(
                    str(self.root),
                    f"{gigabytes(free)} are free",
                    f"about {gigabytes(size)} are needed for what is to be rendered",
                    "free some space (`wan-render prune FILE`), or choose another folder with --outputs DIR",
                )
            )

    @property
    def _use(self) -> Path:
        return self.root.absolute() / ".in-use"
