"""Writes files so that readers never see half of one, and turns the system's errors into DiskErrors."""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from wan_render.errors import DiskError, DiskFullError, Problem

Doing = Literal["write", "read"]

_ELSEWHERE = "or keep the outputs elsewhere: --outputs DIR, or WAN_RENDER_OUTPUTS"
_FREE_SOME = f"free some space (`wan-render prune FILE`), {_ELSEWHERE}"
_WRITABLE = f"get write permission there, {_ELSEWHERE}"
_MOVE = f"move the file away, {_ELSEWHERE}"
_FOLDER = "a writable folder"
_REPAIR = f"check the disk or the network drive (`dmesg` says more), {_ELSEWHERE}"
_NO_LOCKS = ("the file system has no locks", "a file system with flock", _ELSEWHERE.removeprefix("or "))

_FULL = {
    errno.ENOSPC: ("the disk is full", "room for clips and films", _FREE_SOME),
    errno.EDQUOT: ("your quota of disk space is used up", "room for clips and films", _FREE_SOME),
}

_REASONS = {
    errno.EFBIG: ("the file would be larger than this system allows", "files of several hundred MB", _FREE_SOME),
    errno.EROFS: ("the file system is read-only", _FOLDER, _WRITABLE),
    errno.ENOTDIR: ("there is a file where a folder is needed", _FOLDER, _MOVE),
    errno.EEXIST: ("there is a file where a folder is needed", _FOLDER, _MOVE),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "names of 255 bytes", "choose a shorter name"),
    errno.EMFILE: ("too many files are open", "", "allow more: `ulimit -n 4096`"),
    errno.ENFILE: ("too many files are open on this machine", "", "close other programs"),
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOTSUP: _NO_LOCKS,
    errno.EIO: ("the disk or the network drive failed (input/output error)", "", _REPAIR),
    errno.ESTALE: ("the network drive lost the file (stale file handle)", "", _REPAIR),
    errno.ELOOP: ("symbolic links form a loop", _FOLDER, "fix the links"),
}
"""Errors whose text does not depend on the operation. Permissions are handled by `_forbidden`."""


@contextmanager
def disk_errors(where: Path, doing: Doing = "write") -> Iterator[None]:
    """Turn every OSError inside into a DiskError about `where`."""
    try:
        yield
    except OSError as error:
        raise disk_error(where, error, doing) from error


def disk_error(where: Path, error: OSError, doing: Doing = "write") -> DiskError:
    """The operating system's error in four parts. where: what it is about, if the error names no file."""
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else where
    number = error.errno or 0
    if number in _FULL:
        return DiskFullError(Problem(str(place), *_FULL[number]))
    if number in (errno.EACCES, errno.EPERM):
        return DiskError(_forbidden(place, doing))
    found, allowed, remedy = _REASONS.get(number, (_as_said(error, doing), "", ""))
    if not remedy:
        allowed, remedy = (_FOLDER, _WRITABLE) if doing == "write" else ("", "run the same command again")
    return DiskError(Problem(str(place), found, allowed, remedy))


def _as_said(error: OSError, doing: Doing) -> str:
    reason = error.strerror.lower() if error.strerror else str(error)
    return f"cannot be {'written' if doing == 'write' else 'read'}: {reason}"


def _forbidden(place: Path, doing: Doing) -> Problem:
    found = f"no permission to {doing}: the user is {user_name(os.geteuid())}, and {whose(place)}"
    if doing == "write":
        return Problem(str(place), found, _FOLDER, _WRITABLE)
    return Problem(str(place), found, "a readable file", "let its owner make it readable (chmod -R a+rX)")


def whose(place: Path) -> str:
    """`takes belongs to anna, mode 0700`: about the parent folder that denies access, else the file itself, else the
    nearest existing folder."""
    path_from_root = [*reversed(place.absolute().parents), place]
    closed = (path for path in path_from_root[:-1] if os.path.isdir(path) and not os.access(path, os.X_OK))  # noqa: PTH112 - also False if it is unreadable
    there = (path for path in reversed(path_from_root) if os.path.exists(path))  # noqa: PTH110 - likewise
    barrier = next(closed, None) or next(there)
    state = barrier.stat()
    return f"{barrier} belongs to {user_name(state.st_uid)}, mode {stat.S_IMODE(state.st_mode):04o}"


def user_name(uid: int) -> str:
    """The name of a user; `user 1234` if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def write_whole(file: Path, content: bytes) -> None:
    """Write a temporary file, flush it to the disk and rename it into place. Readers see the old file or the new
    one."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Flush a file's bytes, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """`flush` a folder with everything in it."""
    for path in folder.rglob("*"):
        flush(path)
    flush(folder)


def file_digest(file: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def gigabytes(count: int) -> str:
    """`139.8 GB`, powers of ten; megabytes below one gigabyte."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def free_disk_bytes(folder: Path) -> int:
    """How many bytes a user may still write where `folder` is, or will be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    state = os.statvfs(there)
    return state.f_bavail * state.f_frsize
