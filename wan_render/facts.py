"""A cache of small facts about files, by content: digests, and whatever was derived from the bytes.

It may be deleted at any time. If it cannot be written, facts are kept in memory.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import stat
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, digest TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stamped (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, digest TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (kind TEXT, digest TEXT, value TEXT, PRIMARY KEY (kind, digest)) WITHOUT ROWID;
"""

_SETTLED_NS = 2_000_000_000
"""A file that changed more recently than this is hashed again next time. Time stamps can be as coarse as two seconds
(FAT), so a second change could look like the first."""

_Stamp = tuple[int, int, int, int]
"""size, mtime_ns, ctime_ns, inode. Programs set the modification time at will (rsync -t, unzip, cp -p); only the kernel
sets the change time."""


class FactCache:
    """`<folder>/facts.sqlite`, shared by any number of processes and threads.

    If the folder cannot be written, facts are kept in memory for as long as this object lives. A file that is not a
    database is replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._digests: dict[str, tuple[_Stamp, str]] = {}
        self._facts: dict[tuple[str, str], Any] = {}
        self._hold(_open(folder / "facts.sqlite"))

    def digest(self, file: Path) -> str:
        """SHA-256 of a regular file's bytes, 64 hex digits; cached by absolute path, size, times and inode.

        Raises OSError if the file cannot be read, or is a folder, a pipe or a device.
        """
        path = _absolute(file)
        stamp = _stamp(os.stat(path), path)  # noqa: PTH116 - called for thousands of pictures
        known = self._digests.get(path) or self._stored_digest(path, stamp)
        if known is not None and known[0] == stamp:
            return known[1]
        digest, stamp_read = _hash(path)
        if time.time_ns() - max(stamp_read[1:3]) > _SETTLED_NS:
            self._remember_digest(path, stamp_read, digest)
        return digest

    def inspected(self, kind: str, file: Path, inspect: Callable[[Path], Any]) -> tuple[str, Any]:
        """The digest of a file, and what `inspect` finds in it, as JSON. Known bytes are not inspected again.

        Raises OSError as `digest` does, and what `inspect` raises.
        """
        digest = self.digest(file)
        known = self.get(kind, digest)
        if known is None:
            known = inspect(file)
            self.put(kind, digest, known)
        return digest, known

    def forget(self, file: Path) -> None:
        """Forget a file's digest, because its bytes turned out to have another one. It is hashed again next time."""
        path = _absolute(file)
        self._digests.pop(path, None)
        for table in ("stamped", "digests"):
            self._write(f"DELETE FROM {table} WHERE path = ?", (os.fsencode(path),))  # noqa: S608 - the two names above

    def get(self, kind: str, digest: str) -> Any | None:
        """The JSON value stored under (kind, digest), or None. `kind` contains a version: `picture/1`."""
        if (kind, digest) in self._facts:
            return self._facts[kind, digest]
        row = self._row("SELECT value FROM facts WHERE kind = ? AND digest = ?", (kind, digest))
        if row is None:
            return None
        value = json.loads(row[0])
        self._facts[kind, digest] = value
        return value

    def put(self, kind: str, digest: str, value: Any) -> None:
        """Store a JSON value under (kind, digest). It replaces an earlier one."""
        text = json.dumps(value)
        self._facts[kind, digest] = json.loads(text)
        self._write("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (kind, digest, text))

    def close(self) -> None:
        """Close the file. From here on, facts are kept in memory."""
        with self._lock:
            self._let_go()
            self._hold(_in_memory())

    def _hold(self, database: sqlite3.Connection) -> None:
        """Keep a connection until `close`, or until this cache is garbage-collected."""
        self._database = database
        self._let_go = weakref.finalize(self, database.close)

    def _stored_digest(self, path: str, stamp: _Stamp) -> tuple[_Stamp, str] | None:
        query = "SELECT size, mtime_ns, ctime_ns, inode, digest FROM stamped WHERE path = ?"
        row = self._row(query, (os.fsencode(path),)) or self._row_without_ctime(path, stamp)
        if row is None:
            return None
        self._digests[path] = known = ((row[0], row[1], row[2], row[3]), row[4])
        return known

    def _row_without_ctime(self, path: str, stamp: _Stamp) -> tuple[Any, ...] | None:
        """The row of an earlier version, which stored no ctime. It stored a digest only after the file had settled. So
        a file that has not changed since it was last modified still has this digest."""
        _, modified, changed, _ = stamp
        if changed - modified > _SETTLED_NS:
            return None
        query = "SELECT size, mtime_ns, ?, inode, digest FROM digests WHERE path = ?"
        return self._row(query, (changed, os.fsencode(path)))

    def _remember_digest(self, path: str, stamp: _Stamp, digest: str) -> None:
        self._digests[path] = (stamp, digest)
        self._write("INSERT OR REPLACE INTO stamped VALUES (?, ?, ?, ?, ?, ?)", (os.fsencode(path), *stamp, digest))

    def _row(self, query: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with self._lock, suppress(sqlite3.Error):
            row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
            return row
        return None

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._lock, suppress(sqlite3.Error):
            self._database.execute(statement, values)


def forget_digest(folder: Path, file: Path) -> None:
    """`FactCache.forget` for callers without a cache object. folder: the cache's folder."""
    cache = FactCache(folder)
    cache.forget(file)
    cache.close()


def _open(file: Path) -> sqlite3.Connection:
    """The database at `file`. A broken one is replaced; if nothing can be written, the database is in memory."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connect(str(file))
        except sqlite3.OperationalError:
            return _in_memory()
        except sqlite3.DatabaseError:  # not a database, or a damaged one: everything in it can be found again
            file.unlink(missing_ok=True)
            with suppress(sqlite3.Error):
                return _connect(str(file))
    return _in_memory()


def _in_memory() -> sqlite3.Connection:
    return _connect(":memory:")


def _connect(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=2.0, isolation_level=None, check_same_thread=False)
    try:
        # Facts can be found again, so nothing waits for the disk. Unlike WAL, the rollback journal works on network
        # file systems.
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def _absolute(file: Path) -> str:
    return os.path.abspath(file)  # noqa: PTH100 - Path.absolute keeps `..`


def _stamp(found: os.stat_result, path: str) -> _Stamp:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _hash(path: str) -> tuple[str, _Stamp]:
    """The digest of a regular file and the stamp it had before it was read."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:  # noqa: PTH123 - a pipe must not block
        stamp = _stamp(os.fstat(stream.fileno()), path)
        return hashlib.file_digest(stream, "sha256").hexdigest(), stamp
