"""A cache of stages, the intermediate results of takes, for other takes, processes and runs.

    stages/<key>/          stage (its bytes), stage.json (its description, SHA-256 and size)
    stages/<take>.<key>/   the same, for a single take: deleted when that take is published

Everything in it can be computed again. The modification time of stage.json is that of its last use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from wan_render.printable import logger
from wan_render.render_values import Stage
from wan_render.store.disk import disk_errors, flush_tree
from wan_render.store.file_locks import if_free, locked

LOG = logger("wan_render.store")

CONTENT, RECORD = "stage", "stage.json"

MOST_BYTES = 20_000_000_000
"""The size that is kept between runs: enough for about 2,000 shots of 480p with their prompts."""


@dataclass(frozen=True)
class StageRecord:
    """stage.json as a value. what: the stage's description."""

    what: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class KeptStage:
    """A stage in the cache.

    take: the key of the only take that needs it; "" if other takes may need it. used: the time of its last use, in
    seconds since 1970.
    """

    folder: Path
    what: str
    take: str
    bytes: int
    used: float


class StageFiles:
    """A folder of stages; implements render_values.Stages. It is created when the first stage is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, stage: Stage) -> bytes | None:
        """The bytes of a stage, or None. A damaged stage is removed with a warning."""
        folder = self.folder / _name(stage)
        try:
            record = _adapter().validate_json((folder / RECORD).read_bytes())
            content = (folder / CONTENT).read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._damaged(folder, str(error))
            return None
        if hashlib.sha256(content).hexdigest() != record.sha256:
            self._damaged(folder, f"its bytes changed since it was kept ({record.what})")
            return None
        with suppress(OSError):
            os.utime(folder / RECORD)
        return content

    def keep(self, stage: Stage, content: bytes) -> None:
        """Keep the bytes of a stage, unless they are already kept. Raises DiskError."""
        folder = self.folder / _name(stage)
        if folder.exists():
            return
        with locked(self._lock_file(folder), lambda: None), disk_errors(folder):
            part = self.folder / f".part-{folder.name}"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                record = StageRecord(stage.what, hashlib.sha256(content).hexdigest(), len(content))
                (part / CONTENT).write_bytes(content)
                (part / RECORD).write_bytes(_adapter().dump_json(record, indent=2))
                flush_tree(part)
                if not folder.exists():
                    part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)

    def drop(self, take: str) -> None:
        """Remove the stages that only this take needs."""
        for folder in self.folder.glob(f"{take}.*"):
            self.delete(folder)

    def kept(self) -> tuple[KeptStage, ...]:
        """All stages, the longest unused first."""
        return tuple(sorted(self._kept(), key=lambda stage: stage.used))

    def delete(self, folder: Path) -> None:
        """Remove a stage: rename it first, so that readers never see half of it."""
        with locked(self._lock_file(folder), lambda: None), disk_errors(folder):
            gone = self.folder / f".part-{folder.name}"
            shutil.rmtree(gone, ignore_errors=True)
            with suppress(FileNotFoundError):
                folder.rename(gone)
                shutil.rmtree(gone)

    def sweep(self, most: int = MOST_BYTES) -> None:
        """Remove unfinished stages of dead runs, then the longest unused ones until at most `most` bytes are left."""
        for part in self.folder.glob(".part-*"):
            with if_free(self._lock_file(self.folder / part.name.removeprefix(".part-"))) as free:
                if free:
                    shutil.rmtree(part, ignore_errors=True)
        kept = self.kept()
        over = sum(stage.bytes for stage in kept) - most
        for stage in kept:
            if over <= 0:
                return
            self.delete(stage.folder)
            over -= stage.bytes

    def _kept(self) -> Iterator[KeptStage]:
        for file in self.folder.glob(f"[!.]*/{RECORD}"):
            with suppress(OSError, ValueError):
                record = _adapter().validate_json(file.read_bytes())
                take = file.parent.name.rpartition(".")[0]
                yield KeptStage(file.parent, record.what, take, record.bytes, file.stat().st_mtime)

    def _damaged(self, folder: Path, how: str) -> None:
        LOG.warning("a kept stage is damaged and will be computed again: %s", how)
        with suppress(OSError):
            self.delete(folder)

    def _lock_file(self, folder: Path) -> Path:
        return self.folder.absolute() / ".locks" / folder.name


def _name(stage: Stage) -> str:
    return f"{stage.take}.{stage.key}" if stage.take else stage.key


@cache
def _adapter() -> TypeAdapter[StageRecord]:
    return TypeAdapter(StageRecord)
