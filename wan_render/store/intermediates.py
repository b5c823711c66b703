"""Intermediates: video and sound files that finishing made from clips (upscaled, retimed, conformed, mixed).

    intermediates/<key>/   intermediate.mov (or .wav, …), intermediate.json (its description, SHA-256 and size)

The key is the hash of everything that an intermediate was made from, so it is never out of date, and it can be made
again. The modification time of intermediate.json is that of its last use.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from pydantic import TypeAdapter

from wan_render.errors import DiskError
from wan_render.printable import logger
from wan_render.store.disk import disk_errors, file_digest, flush_tree
from wan_render.store.file_locks import hand_over, if_free, locked, once, remove_free_locks

LOG = logger("wan_render.store")

CONTENT_STEM, INTERMEDIATE_RECORD = "intermediate", "intermediate.json"

MOST_INTERMEDIATE_BYTES = 50_000_000_000
"""The size that is kept between runs: enough for about 15 minutes of film in 720p."""

SAFE_SECONDS = 86_400.0
"""An intermediate that was used within this time is never swept: a film may be made of it now."""


@dataclass(frozen=True)
class IntermediateRecord:
    """intermediate.json as a value. what: the description. file: the name of the file next to it."""

    what: str
    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class KeptIntermediate:
    """An intermediate on disk. used: the time of its last use, in seconds since 1970."""

    folder: Path
    what: str
    bytes: int
    used: float


class Unpublished:
    """An intermediate that is written but not yet published. It holds its lock. Any thread may call `publish`, once."""

    def __init__(self, publish: Callable[[], Path], take_over: Callable[[], None], held: ExitStack) -> None:
        self._publish, self._take_over, self._held = publish, take_over, held

    def publish(self) -> Path:
        """Hash it, flush it to the disk, and make it visible. Returns its file. Raises DiskError; nothing is left
        behind then."""
        self._take_over()
        with self._held:
            return self._publish()


class Intermediates:
    """The folder of intermediates. It is created when the first one is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._verified: dict[str, tuple[int, int, int]] = {}

    def find(self, key: str) -> Path | None:
        """The file of an intermediate, or None. A damaged one is removed with a warning.

        A file that this process has verified or made is not hashed again unless it was touched.
        """
        folder = self.folder / key
        if not folder.exists():  # asked first: one that is published now appears as a whole
            return None
        try:
            record = _adapter().validate_json((folder / INTERMEDIATE_RECORD).read_bytes())
            file = folder / Path(record.file).name
            signature = _signature(file)
            if self._verified.get(key) != signature and file_digest(file) != record.sha256:
                raise ValueError(f"its bytes changed since it was made ({record.what})")
        except (FileNotFoundError, NotADirectoryError) as error:
            if folder.exists():
                self._damaged(folder, f"{Path(error.filename).name} is gone")
            return None
        except (OSError, ValueError) as error:
            self._damaged(folder, str(error))
            return None
        self._verified[key] = signature
        with suppress(OSError):
            os.utime(folder / INTERMEDIATE_RECORD)
        return file

    def made(
        self,
        key: str,
        what: str,
        suffix: str,
        write: Callable[[Path], None],
        *,
        waiting: Callable[[], None] = lambda: None,
    ) -> Path:
        """The file of an intermediate, made now if it does not exist.

        what: its description in words, for `prune`. suffix: of its file, ".mkv". write: writes the file that it is
        given, in a folder that nobody else sees; the file appears once it is complete. waiting: called once if another
        run is making the same one. Raises DiskError, and whatever `write` raises; nothing is left behind then.
        """
        begun = self.begun(key, what, suffix, write, waiting=waiting)
        return begun if isinstance(begun, Path) else begun.publish()

    def begun(
        self,
        key: str,
        what: str,
        suffix: str,
        write: Callable[[Path], None],
        *,
        waiting: Callable[[], None] = lambda: None,
    ) -> Path | Unpublished:
        """The part of `made` that writes. If it returns a file, the intermediate existed."""
        if (file := self.find(key)) is not None:
            return file
        with ExitStack() as held:
            held.enter_context(disk_errors(self.folder / key))
            held.enter_context(locked(self._lock_file(key), once(waiting)))
            if (file := self.find(key)) is not None:
                return file
            part = self.folder / f".part-{key}"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            held.callback(shutil.rmtree, part, ignore_errors=True)
            file = part / f"{CONTENT_STEM}{suffix}"
            write(file)
            return Unpublished(partial(self._publish, key, what, file), hand_over(self._lock_file(key)), held.pop_all())

    def _publish(self, key: str, what: str, file: Path) -> Path:
        folder = self.folder / key
        record = IntermediateRecord(what, file.name, file_digest(file), file.stat().st_size)
        (file.parent / INTERMEDIATE_RECORD).write_bytes(_adapter().dump_json(record, indent=2))
        flush_tree(file.parent)
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one that could not be removed
        file.parent.rename(folder)
        self._verified[key] = _signature(folder / file.name)
        return folder / file.name

    def kept(self) -> tuple[KeptIntermediate, ...]:
        """All intermediates, the longest unused first."""
        return tuple(sorted(self._kept(), key=lambda intermediate: intermediate.used))

    def delete(self, folder: Path) -> None:
        """Remove an intermediate: rename it first, so that readers never see half of it."""
        with locked(self._lock_file(folder.name), lambda: None), disk_errors(folder):
            gone = self.folder / f".part-{folder.name}"
            shutil.rmtree(gone, ignore_errors=True)
            with suppress(FileNotFoundError):
                folder.rename(gone)
                shutil.rmtree(gone)

    def sweep(self, most: int = MOST_INTERMEDIATE_BYTES) -> None:
        """Remove unfinished ones of dead runs. Then remove the longest unused ones until at most `most` bytes are left,
        but none that was used within a day."""
        for part in self.folder.glob(".part-*"):
            with if_free(self._lock_file(part.name.removeprefix(".part-"))) as free:
                if free:
                    shutil.rmtree(part, ignore_errors=True)
        remove_free_locks(self.folder / ".locks")
        kept = self.kept()
        over = sum(intermediate.bytes for intermediate in kept) - most
        for intermediate in kept:
            if over <= 0 or time.time() - intermediate.used < SAFE_SECONDS:
                return
            self.delete(intermediate.folder)
            over -= intermediate.bytes

    def _kept(self) -> Iterator[KeptIntermediate]:
        for file in self.folder.glob(f"[!.]*/{INTERMEDIATE_RECORD}"):
            with suppress(OSError, ValueError):
                record = _adapter().validate_json(file.read_bytes())
                yield KeptIntermediate(file.parent, record.what, record.bytes, file.stat().st_mtime)

    def _damaged(self, folder: Path, how: str) -> None:
        LOG.warning("a kept intermediate is damaged and will be made again: %s", how)
        with suppress(DiskError):
            self.delete(folder)

    def _lock_file(self, key: str) -> Path:
        return self.folder.absolute() / ".locks" / key


def _signature(file: Path) -> tuple[int, int, int]:
    state = file.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


@cache
def _adapter() -> TypeAdapter[IntermediateRecord]:
    return TypeAdapter(IntermediateRecord)
