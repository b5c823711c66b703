"""Who holds a device's lock: from the kernel (/proc/locks) the process and its user, from a record the film.

A record is what somebody wrote: it counts only where it is of the very process that the kernel names, and of its user;
and it is shown as foreign text.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wan_render.farm.locks.lock_place import LockPlace
from wan_render.printable import one_line
from wan_render.store.disk import user_name

_SHARED = Path("/dev/shm")  # noqa: S108 - meant to be shared; every record is read as foreign text

_LONGEST = 4096
"""Bytes of a record that are read."""

_LONGEST_FILM = 80

_FARTHEST_SECONDS = 60 * 86400
"""An end that is farther away is not told: nobody renders for so long, and no calendar needs to hold it."""


@dataclass(frozen=True)
class Use:
    """What a device is held for. film: its slug, "" where that is not known; until: seconds since 1970."""

    film: str
    until: float


def write_record(place: LockPlace, use: Use) -> None:
    """Say what a held lock is for: in the lock's own file, or for a device node beside. It costs nothing but words
    where that cannot be."""
    whole = json.dumps({"process": os.getpid(), "film": use.film, "until": use.until})
    text = str(os.getpid()) if place.is_former else whole  # all that version 0.1 understands
    with suppress(OSError):
        if place.path is not None and place.is_own:
            _overwrite(place.path, text)
        elif place.path is not None:
            _replace(_beside(place.path, os.getuid()), text)


def erase_record(place: LockPlace) -> None:
    """The lock is let go: what was written beside a node goes; in a lock's own file it does no harm."""
    if place.path is not None and not place.is_own:
        with suppress(OSError):
            _beside(place.path, os.getuid()).unlink()


def holder(place: LockPlace) -> str:
    """Who holds a lock that is not ours, in words."""
    if place.path is None:
        return "another run uses it"
    process = _process(place.path)
    user = None if process is None else _user(process)
    own = os.getuid() if place.is_own else user
    record = {} if own is None else _record(place.path if place.is_own else _beside(place.path, own), own)
    if process is None and place.is_own:  # a file system that the kernel names otherwise; the file is this user's
        process, user = _whole(record.get("process")), own
    if process is None:
        return "another run uses it"
    who = f"process {process}" + (
        f" of {user_name(user)}" if user is not None else ", which has ended but for its device,"
    )
    if record.get("process") != process:
        return f"{who} uses it"
    return _in_words(who, record)


def _in_words(who: str, record: dict[str, object]) -> str:
    film, until = record.get("film"), record.get("until")
    named = f"film {one_line(film[:_LONGEST_FILM])} ({who})" if isinstance(film, str) and film else who
    return f"{named} uses it{_until(until)}"


def _until(until: object) -> str:
    if not isinstance(until, int | float) or not 0 < until - time.time() < _FARTHEST_SECONDS:
        return ""
    end, today = time.localtime(until), time.localtime()
    day = "" if end[:3] == today[:3] else time.strftime("%a ", end)
    return f", about until {day}{time.strftime('%H:%M', end)}"


def _process(path: Path) -> int | None:
    """The process that locked a file; None where the kernel does not say, as of a process in another container."""
    with suppress(OSError, ValueError):
        state = path.stat()
        file = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
        for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines():
            words = line.split()
            if "FLOCK" in words and "->" not in words and words[5] == file and int(words[4]) > 0:
                return int(words[4])
    return None


def _user(process: int) -> int | None:
    with suppress(OSError):
        return Path(f"/proc/{process}").stat().st_uid
    return None


def _record(file: Path, user: int) -> dict[str, object]:
    """What a user wrote there; nothing where it is not a small, regular file of that user with a record in it."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(_content(file, user))
        if isinstance(found, dict):
            return found
        if isinstance(found, int):  # version 0.1 wrote its process, and no more
            return {"process": found}
    return {}


def _content(file: Path, user: int) -> bytes:
    """Raises OSError where it is no regular file of that user."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != user:
            raise PermissionError(file)
        return os.read(handle, _LONGEST)
    finally:
        os.close(handle)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _overwrite(file: Path, text: str) -> None:
    """In place: a lock is a file, not a name."""
    handle = os.open(file, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "wb") as stream:
        stream.truncate(0)
        stream.write(text.encode())


def _replace(file: Path, text: str) -> None:
    handle, part = tempfile.mkstemp(prefix=".wan-render-", dir=file.parent)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text.encode())
    try:
        Path(part).replace(file)
    except OSError:  # somebody else's file has the name
        Path(part).unlink(missing_ok=True)


def _beside(node: Path, user: int) -> Path:
    """Where a user says what he uses a GPU for: memory that every user reads, and a private /tmp does not hide."""
    folder = _SHARED if _SHARED.is_dir() else Path(tempfile.gettempdir())
    return folder / f"wan-render-{node.name}-{user}.json"
