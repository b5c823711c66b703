"""What was last rendered under each shot's id, and which storyboard has a slug: films/<slug>/memory.json and
storyboard.json."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wan_render.draft_slug import film_slug
from wan_render.errors import InputError, Problem
from wan_render.keys import canonical
from wan_render.printable import logger, path_name, printable
from wan_render.store.disk import disk_errors, write_whole
from wan_render.store.file_locks import locked
from wan_render.take import Take

LOG = logger("wan_render.store")

MEMORY, CLAIM = "memory.json", "storyboard.json"

Remembered = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""Shot id → take number → the canonical fields of the take."""


class Memory:
    """What a films folder remembers about every slug."""

    def __init__(self, films: Path) -> None:
        self.films = films

    def remembered(self, slug: str) -> Remembered:
        """What was last rendered under each shot id; empty if nothing was, or if it cannot be read.

        It only explains why shots are stale, so a damaged file is a warning, not an error.
        """
        file = self.films / slug / MEMORY
        try:
            shots = json.loads(file.read_bytes())["shots"]
            return {shot: {int(number): take for number, take in takes.items()} for shot, takes in shots.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            LOG.warning("%s cannot be read (%s): the reasons why shots are stale are lost", file, error)
            return {}

    def remember(self, slug: str, takes: Mapping[str, Mapping[int, Take]]) -> None:
        """Record takes under their shot ids and numbers. Writes nothing if nothing is new."""
        with self._locked(slug):
            known = {shot: dict(numbers) for shot, numbers in self.remembered(slug).items()}
            noted = {shot: {**known.get(shot, {}), **_canonical(numbers)} for shot, numbers in takes.items()}
            if any(known.get(shot) != numbers for shot, numbers in noted.items()):
                self._write(slug, MEMORY, {"version": 1, "shots": known | noted})

    def rival(self, slug: str, file: Path) -> Path | None:
        """Another existing storyboard that has this slug in this folder; None if `file` may have it."""
        owner = self._claimant(slug)
        if owner is None or not _is_there(owner):
            return None
        return None if _is_same(owner, file) else owner

    def succession(self, slug: str, file: Path) -> str:
        """A sentence that this storyboard will take over the slug from one that was moved, renamed or deleted; "" if it
        will not."""
        former = self._claimant(slug)
        if former is None or former == file.absolute() or _is_there(former):
            return ""
        return (
            f"the film '{slug}' was made from {path_name(former)}, which no longer exists; "
            f"{path_name(file)} takes it over, with its versions and takes"
        )

    def slug_of(self, file: Path, *, is_draft: bool) -> str:
        """The slug that a storyboard has here, or that of its draft; "" if it has none."""
        claimed = (path.parent.name for path in sorted(self.films.glob(f"*/{CLAIM}")))
        own = (slug for slug in claimed if (film_slug(slug) != slug) is is_draft)
        return next((slug for slug in own if self._owner(slug) == file.absolute()), "")

    def claim(self, slug: str, file: Path) -> None:
        """Record that the slug belongs to this storyboard. A renamed or moved file keeps its slug, since the old file
        is gone. The file's earlier slugs become free.

        Raises InputError if another storyboard has the slug.
        """
        self.refuse_rival(slug, file)
        with self._locked(slug):
            self.refuse_rival(slug, file)
            if self._owner(slug) != file.absolute():
                if words := self.succession(slug, file):
                    LOG.warning("%s", words)
                self._write(slug, CLAIM, {"version": 1, "file": str(file.absolute())})
        self._release_others(slug, file)

    def refuse_rival(self, slug: str, file: Path) -> None:
        """Raise InputError if another storyboard has the slug in this folder. Writes nothing."""
        if (other := self.rival(slug, file)) is not None:
            raise InputError(
                Problem(
                    str(file),
                    f"the slug '{slug}' already belongs to {other} in this outputs folder",
                    "one storyboard for each slug",
                    f"give one of them another `film: {{slug: …}}` (for {other.name}, render it once afterwards), "
                    "or another folder with --outputs DIR",
                )
            )

    def _release_others(self, slug: str, file: Path) -> None:
        """Free the slugs that the file had before this one. Drafts belong to their film."""
        for path in self.films.glob(f"*/{CLAIM}"):
            other = path.parent.name
            if film_slug(other) != film_slug(slug) and self._owner(other) == file.absolute():
                path.unlink(missing_ok=True)

    def _claimant(self, slug: str) -> Path | None:
        """The storyboard that has the slug. Until a draft's slug is claimed, it belongs to the film's storyboard."""
        film = film_slug(slug)
        return self._owner(slug) or (self._owner(film) if film != slug else None)

    def _owner(self, slug: str) -> Path | None:
        try:
            return Path(json.loads((self.films / slug / CLAIM).read_bytes())["file"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _locked(self, slug: str) -> Any:
        return locked(self.films.absolute() / ".locks" / f"{slug}.memory", _in_silence)

    def _write(self, slug: str, name: str, value: Mapping[str, Any]) -> None:
        home = self.films / slug
        with disk_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            write_whole(home / name, printable(json.dumps(value, ensure_ascii=False)).encode())


def _is_there(file: Path) -> bool:
    """Whether a file exists. One that cannot be accessed counts as existing: it may be somebody's."""
    try:
        file.stat()
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
    return True


def _is_same(file: Path, other: Path) -> bool:
    try:
        return file.samefile(other)
    except OSError:
        return False


def _canonical(takes: Mapping[int, Take]) -> dict[int, Any]:
    return {number: canonical(take) for number, take in takes.items()}


_in_silence: Callable[[], None] = lambda: None  # noqa: E731 - the lock is held for milliseconds
