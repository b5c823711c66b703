"""Writing so that a reader never sees half a file, and what a disk's refusals are called."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wan_render.errors import DiskError, Problem

_ELSEWHERE = "or keep the outputs elsewhere: --outputs DIR, or WAN_RENDER_OUTPUTS"
_FREE_SOME = f"free some space (`wan-render prune FILE`), {_ELSEWHERE}"
_WRITABLE = f"give yourself the right to write there, {_ELSEWHERE}"
_MOVE = f"move the file away, {_ELSEWHERE}"

_REASONS = {
    errno.ENOSPC: ("the disk is full", "room for clips and films", _FREE_SOME),
    errno.EDQUOT: ("your quota of disk space is used up", "room for clips and films", _FREE_SOME),
    errno.EFBIG: ("the file would be larger than is allowed here", "files of several hundred MB", _FREE_SOME),
    errno.EROFS: ("the file system is read-only", "a folder that can be written", _WRITABLE),
    errno.EACCES: ("no permission to write", "a folder that can be written", _WRITABLE),
    errno.EPERM: ("no permission to write", "a folder that can be written", _WRITABLE),
    errno.ENOTDIR: ("a file stands where a folder is needed", "a folder that can be written", _MOVE),
    errno.EEXIST: ("a file stands where a folder is needed", "a folder that can be written", _MOVE),
    errno.ENOLCK: ("the file system has no locks", "a file system with flock", _ELSEWHERE.removeprefix("or ")),
    errno.ENOTSUP: ("the file system has no locks", "a file system with flock", _ELSEWHERE.removeprefix("or ")),
}


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn every OSError inside into a DiskError about `where`."""
    try:
        yield
    except OSError as error:
        raise disk_error(where, error) from error


def disk_error(where: Path, error: OSError) -> DiskError:
    """What the operating system said, in four parts."""
    found, allowed, remedy = _REASONS.get(
        error.errno or 0, (f"cannot be written: {_reason(error)}", "a folder that can be written", _WRITABLE)
    )
    return DiskError(Problem(str(error.filename or where), found, allowed, remedy))


def _reason(error: OSError) -> str:
    return error.strerror.lower() if error.strerror else str(error)


def write_whole(file: Path, content: bytes) -> None:
    """Write beside, flush to the disk, rename into place: a reader sees the former file or this one."""
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
    """Have a file's bytes, or a folder's entries, on the disk before anything that relies on them."""
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


def digest(file: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def gigabytes(count: int) -> str:
    """`139.8 GB`, powers of ten; megabytes below one gigabyte."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def free_bytes(folder: Path) -> int:
    """What a user may still write where `folder` is, or will be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    state = os.statvfs(there)
    return state.f_bavail * state.f_frsize
