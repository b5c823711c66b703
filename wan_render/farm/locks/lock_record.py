"""Who holds a device's lock. The process and its user come from the kernel (/proc/locks), the film from a record.

Anyone may write a record. It only counts if it is by the process that the kernel names, and by its user. It is printed
as foreign text.
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
"""The most bytes of a record that are read."""

_LONGEST_FILM = 80

_FARTHEST_SECONDS = 60 * 86400
"""A later end is not printed: no run takes that long."""


@dataclass(frozen=True)
class Use:
    """What a device is held for. film: its slug, "" if unknown. until: seconds since 1970."""

    film: str
    until: float


def write_record(place: LockPlace, use: Use) -> None:
    """Record what a held lock is for: in the lock's file, or in a separate file for a device node. Errors are ignored:
    only the text for other runs is lost."""
    whole = json.dumps({"process": os.getpid(), "film": use.film, "until": use.until})
    text = str(os.getpid()) if place.is_former else whole  # all that version 0.1 understands
    with suppress(OSError):
        if place.path is not None and place.is_own:
            _overwrite(place.path, text)
        elif place.path is not None:
            _replace(_beside(place.path, os.getuid()), text)


def erase_record(place: LockPlace) -> None:
    """Remove the record of a released lock if it is a separate file. In the lock's own file it does no harm."""
    if place.path is not None and not place.is_own:
        with suppress(OSError):
            _beside(place.path, os.getuid()).unlink()


def holder(place: LockPlace) -> str:
    """Who holds a lock that we do not, in words."""
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
        f" of {user_name(user)}" if user is not None else ", which has ended but whose device process has not,"
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
    """The process that locked a file; None if the kernel does not name it, as for one in another container."""
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
    """The record in a user's file; empty unless it is a regular file of that user with a valid record."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(_content(file, user))
        if isinstance(found, dict):
            return found
        if isinstance(found, int):  # version 0.1 wrote only its process
            return {"process": found}
    return {}


def _content(file: Path, user: int) -> bytes:
    """The first bytes of the file. Raises OSError unless it is a regular file of that user."""
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
    """Overwrite the file in place: replacing it would lose the lock."""
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
    except OSError:  # another user's file has the name
        Path(part).unlink(missing_ok=True)


def _beside(node: Path, user: int) -> Path:
    """The file of a user's record for a GPU. It is in shared memory, which every user can read and PrivateTmp does not
    hide."""
    folder = _SHARED if _SHARED.is_dir() else Path(tempfile.gettempdir())
    return folder / f"wan-render-{node.name}-{user}.json"
