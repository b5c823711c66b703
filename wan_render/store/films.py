"""Films by version: films/<slug>/v001/, published complete, never overwritten.

film.json next to each film is one JSON object, form 1: `version`, `key` (of the cut and how it was finished), `slug`,
`title`, `frames`, `rate`, `takes` (keys of the clips in it), `slates` (shot id → why it is missing), `files` (SHA-256
and bytes), `tags`, `made` (UTC), `wan_render` (its version).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Literal

from pydantic import TypeAdapter

from wan_render.errors import MachineError, Problem, WanRenderError
from wan_render.printable import logger, printable
from wan_render.sound.mix_report import MixReport
from wan_render.store.disk import disk_errors, file_digest, flush, flush_tree, write_whole
from wan_render.store.file_locks import (
    at_most,
    if_free,
    is_still_held,
    lock_holder,
    locked,
    once,
    remove_free_locks,
)
from wan_render.store.record import FileFact

LOG = logger("wan_render.store")

VIDEO, PAGE, RECORD = "film.mp4", "index.html", "film.json"
SRT, VTT = "film.srt", "film.vtt"
SHEET = "contact.png"
POSTERS = "review/*-middle.jpg"
"""The contact sheet; and a picture from the middle of each shot that has one, by the film's order. A report writes
both; a film whose report failed has neither."""

COUNTER = "versions.json"
"""A file next to the versions of a film. `last`: the highest number that was ever used."""

INDEX_LOCK = ".index"
"""No slug begins with a dot."""

WAITING_SECONDS = 3600.0
"""How long a film waits for another run that makes it. An hour of 4K film takes less to encode."""

_VERSION = re.compile(r"v(\d{3,})")


@dataclass(frozen=True)
class FilmRecord:
    """film.json as a value. sound: how loud it is; None for a silent film."""

    key: str
    slug: str
    title: str
    frames: int
    rate: str
    takes: tuple[str, ...]
    slates: Mapping[str, str]
    files: Mapping[str, FileFact]
    tags: Mapping[str, str]
    made: datetime
    wan_render: str
    version: Literal[1] = 1
    sound: MixReport | None = None

    def to_json(self) -> bytes:
        """The content of film.json."""
        return printable(_adapter().dump_json(self, indent=2).decode()).encode()


@dataclass(frozen=True)
class FilmVersion:
    """One finished version of a film.

    slates:  shot id → why the shot is missing from the film.
    takes:   keys of the clips in it.
    reused:  whether nothing has changed since it was made.
    backend: the name of the backend that rendered it; "" if the film's tags do not name it.
    unmade:  why deliverables, signatures or sounds of it could not be made. Known to the run that finished it, and not
             kept: the next run tries them again.
    """

    folder: Path
    frames: int
    seconds: Fraction
    slates: Mapping[str, str]
    takes: tuple[str, ...]
    key: str
    reused: bool = False
    backend: str = ""
    unmade: tuple[WanRenderError, ...] = ()

    @property
    def lacks(self) -> tuple[str, ...]:
        """What a whole film would have, in sentences: `slate: 1/020: out of memory`, `not made: deliverable gif: …`.
        Empty for a whole film."""
        slates = (f"slate: {shot}: {reason}" for shot, reason in self.slates.items())
        return (*slates, *(f"not made: {error.problems[0]}" for error in self.unmade))

    @property
    def video(self) -> Path:
        """The film."""
        return self.folder / VIDEO

    @property
    def page(self) -> Path:
        """Its review page."""
        return self.folder / PAGE

    @property
    def contact_sheet(self) -> Path:
        """Every shot at a glance; it need not be there."""
        return self.folder / SHEET

    @property
    def poster(self) -> Path | None:
        """A picture that stands for it: the middle of its first shot, or the contact sheet; None without either."""
        sheets = (sheet for sheet in [self.contact_sheet] if sheet.is_file())
        return min(self.folder.glob(POSTERS), default=None) or next(sheets, None)

    @property
    def name(self) -> str:
        """`v001`."""
        return self.folder.name


class Films:
    """The folder of finished films."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def slugs(self) -> tuple[str, ...]:
        """Every slug that has a folder here."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.folder.iterdir() if path.is_dir() and path.name[0] != "."))

    def versions(self, slug: str) -> tuple[FilmVersion, ...]:
        """The finished versions, oldest first. A version whose record cannot be read is skipped."""
        numbered = sorted(self._numbered(slug))
        return tuple(film for _, folder in numbered if (film := _version(folder)) is not None)

    def latest(self, slug: str) -> FilmVersion | None:
        """The newest version."""
        return next(reversed(self.versions(slug)), None)

    def unchanged(self, slug: str, key: str) -> FilmVersion | None:
        """The newest version, if it has this key and every file is as published."""
        film = self.latest(slug)
        return film if film is not None and film.key == key and _is_whole(film.folder) else None

    def incomplete(self, film: FilmVersion) -> str:
        """The first file of a version that is gone or has another size, "film.mp4"; "" if there is none. Hashes
        nothing."""
        return next(
            (name for name, fact in read_film(film.folder).files.items() if not _has_size(film.folder / name, fact)), ""
        )

    def lock(self, slug: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the lock of one film. `waiting` is called once if another run is making it. Raises MachineError if that
        run makes it for too long."""
        return locked(self._lock_file(slug), at_most(WAITING_SECONDS, once(waiting), f"the film {slug}"))

    def maker(self, slug: str) -> str:
        """Who makes a film now, in words: `studio-b (process 412, since 22:14)`, or `another run`."""
        found = lock_holder(self._lock_file(slug))
        return "another run" if found is None else found.words

    def lock_index(self) -> AbstractContextManager[None]:
        """Hold the page that lists the films, for a moment: so the last one who writes it knows of all films."""
        return locked(self._lock_file(INDEX_LOCK), lambda: None)

    def publish(self, slug: str, fill: Callable[[Path, str], FilmRecord]) -> FilmVersion:
        """Fill a temporary folder and rename it into place as the next version.

        `fill` gets the folder and the version's name, writes every file, and returns the record without `files`.
        Raises DiskError if the disk fails; nothing of the version is visible then.
        """
        home = self.folder / slug
        with self.lock(slug, lambda: None), disk_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            number = self._next_number(slug)
            name = f"v{number:03d}"
            self._clear_parts(home)
            part = home / f".part-{name}-{token_hex(8)}"
            part.mkdir()
            try:
                _seal(part, fill(part, name))
                self._refuse_if_lost(slug)
                write_whole(home / COUNTER, json.dumps({"version": 1, "last": number}).encode())
                part.rename(home / name)
                flush(home)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        film = _version(home / name)
        if film is None:
            raise AssertionError(f"{slug} {name} was published but is not there")
        return film

    def sweep(self) -> None:
        """Remove unfinished work of dead runs."""
        for folder in self.folder.glob("*/.part-*"):
            with if_free(self._lock_file(folder.parent.name)) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)
        remove_free_locks(self._lock_file(INDEX_LOCK).parent)

    def _clear_parts(self, home: Path) -> None:
        for folder in home.glob(".part-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _next_number(self, slug: str) -> int:
        """One more than was ever used, even if versions were deleted: people may have been sent them by name."""
        file, given = self.folder / slug / COUNTER, 0
        try:
            given = int(json.loads(file.read_bytes())["last"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            LOG.warning("%s cannot be read (%s): the next version follows the newest existing one", file, error)
        return max(given, *(number for number, _ in self._numbered(slug)), 0) + 1

    def _numbered(self, slug: str) -> Iterator[tuple[int, Path]]:
        for path in (self.folder / slug).glob("v*"):
            if match := _VERSION.fullmatch(path.name):
                yield int(match[1]), path

    def _refuse_if_lost(self, slug: str) -> None:
        if not is_still_held(self._lock_file(slug)):
            found = f"is made by {self.maker(slug)} now: this machine was silent for too long"
            raise MachineError(Problem(f"the film {slug}", found, remedy="run the same command again"))

    def _lock_file(self, slug: str) -> Path:
        return self.folder.absolute() / ".locks" / slug


def read_film(folder: Path) -> FilmRecord:
    """The record of a version. Raises ValueError or OSError where it has none."""
    return _adapter().validate_json((folder / RECORD).read_bytes())


def _version(folder: Path) -> FilmVersion | None:
    try:
        record = read_film(folder)
        seconds = record.frames / Fraction(record.rate)
    except (OSError, ValueError, ArithmeticError):  # also a damaged rate
        return None
    rendered_by = record.tags.get("backend", "").partition("/")[0]
    return FilmVersion(folder, record.frames, seconds, record.slates, record.takes, record.key, backend=rendered_by)


def _seal(part: Path, record: FilmRecord) -> None:
    files = {
        str(file.relative_to(part)): FileFact(file_digest(file), file.stat().st_size)
        for file in sorted(part.rglob("*"))
        if file.is_file()
    }
    sealed = FilmRecord(**{**vars(record), "files": files})
    (part / RECORD).write_bytes(sealed.to_json())
    flush_tree(part)


def _is_whole(folder: Path) -> bool:
    try:
        return all(file_digest(folder / name) == fact.sha256 for name, fact in read_film(folder).files.items())
    except (OSError, ValueError):
        return False


def _has_size(file: Path, fact: FileFact) -> bool:
    try:
        return file.stat().st_size == fact.bytes
    except OSError:
        return False


@cache
def _adapter() -> TypeAdapter[FilmRecord]:
    return TypeAdapter(FilmRecord)
