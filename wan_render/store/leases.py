"""Leases: who holds a lock, for runs on machines that a flock does not reach, or that are dead.

A lease is a file beside the lock, `<lock>.lease`, with a JSON object: who holds it, and a token that no other lease
has. Its holder touches it now and then (heartbeat.py). A lease that was not touched for longer than it says is over.

- It appears whole, by a link, and only if there is none.
- To end one, it is renamed to a name of its own and read again: of several runs, one succeeds.
- Its age is told by the clock of the file system: its time against that of a file which is touched now.
- A holder that was silent for half that time (stopped, asleep, without network) does not trust its lease any more. It
  takes it again as another run would, and knows from that whether another run was faster.

Of the 180 s that a lease lives by default, NFS may need 60 until a touch is seen on other machines, and its server
keeps the flocks of a dead machine for 90.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from wan_render.printable import logger
from wan_render.settings import machine_settings
from wan_render.store.this_machine import this_machine

LOG = logger("wan_render.store")

SUFFIX = ".lease"

TRUSTED_SHARE = 1 / 2
"""For this share of its time a holder trusts a lease that it did not renew. The rest is for what others see late."""

_LONGEST = 4096
"""The most bytes of a lease that are read."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    flocks:  see MachineIdentity.
    since:   in ISO 8601, UTC.
    seconds: how long the lease lives after it was touched.
    """

    machine: str
    flocks: str
    process: int
    since: str
    seconds: float
    token: str

    @property
    def words(self) -> str:
        """`studio-b (process 412, since 22:14)`; the time is local."""
        since = datetime.fromisoformat(self.since).astimezone()
        day = "" if since.date() == datetime.now().astimezone().date() else f"{since:%a} "
        return f"{self.machine} (process {self.process}, since {day}{since:%H:%M})"


class Lease:
    """A lease that this process holds. Thread-safe."""

    def __init__(self, file: Path, holder: Holder, made: float, touched: float) -> None:
        """made: before it was created, by `steady_seconds`. touched: when it was, by its file system's clock."""
        self._file, self._holder, self._content = file, holder, _content(holder)
        self._renewed, self._touched = made, touched
        self._is_ours = True
        self._changing = threading.Lock()

    @property
    def seconds(self) -> float:
        """How long it lives after it was touched."""
        return self._holder.seconds

    def renew(self) -> bool:
        """Touch it; whether this process still holds it. Raises OSError if the file system does not answer."""
        with self._changing:
            if self._is_ours:
                self._is_ours = self._touch() or self._take_again()
            return self._is_ours

    def release(self) -> bool:
        """End it; whether this process held it until now."""
        with self._changing:
            was_ours, self._is_ours = self._is_ours, False
            with suppress(OSError):
                return was_ours and _end(self._file, self._content)
            return False

    def _touch(self) -> bool:
        """Whether the lease is the same as before, and was touched in time."""
        now = steady_seconds()
        try:
            os.utime(self._file)
            touched = _time_of(self._file)
            is_same = _read(self._file) == self._content
        except FileNotFoundError:
            return False
        silent = max(now - self._renewed, touched - self._touched)
        if not is_same or silent >= self.seconds * TRUSTED_SHARE:
            return False
        self._renewed, self._touched = now, touched
        return True

    def _take_again(self) -> bool:
        """Whether nobody else has taken it meanwhile."""
        there = _read(self._file)
        if there is not None and (there != self._content or not _end(self._file, self._content)):
            return False
        again = _claimed(self._file)
        if again is None:
            return False
        self._holder, self._content, self._renewed, self._touched = (
            again._holder,
            again._content,
            again._renewed,
            again._touched,
        )
        return True


def lease_of(lock: Path) -> Path:
    """The file of a lock's lease."""
    return lock.with_name(lock.name + SUFFIX)


def claim(lock: Path) -> Lease | None:
    """Hold the lease of a lock whose flock this process has. None if a run on another machine holds it."""
    file = lease_of(lock)
    while (lease := _claimed(file)) is None:
        content = _read(file)
        if content is None:
            continue  # it was released in this moment
        holder = _holder(content)
        if not (holder.flocks == this_machine().flocks or is_over(file, holder)):
            return None
        if not _end(file, content):
            return None
        if holder.flocks != this_machine().flocks:
            LOG.warning("%s was not heard of for %.0f s: its lease of %s is over", holder.words, holder.seconds, lock)
    return lease


def holder_of(lock: Path) -> Holder | None:
    """Whose lease it is, over or not; None if nobody's."""
    content = _read(lease_of(lock))
    return None if content is None else _holder(content)


def is_over(file: Path, holder: Holder) -> bool:
    """Whether a lease was not touched for longer than it lives. Raises OSError if the folder cannot be written."""
    clock = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        clock.touch()
        return _time_of(clock) - _time_of(file) >= holder.seconds
    except FileNotFoundError:
        return True
    finally:
        clock.unlink(missing_ok=True)


def steady_seconds() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


def _claimed(file: Path) -> Lease | None:
    """A new lease, if there is none."""
    here, seconds = this_machine(), machine_settings().lease
    holder = Holder(here.name, here.flocks, os.getpid(), datetime.now(UTC).isoformat(), seconds, secrets.token_hex(16))
    now = steady_seconds()
    touched = _created(file, _content(holder))
    return None if touched is None else Lease(file, holder, now, touched)


def _created(file: Path, content: bytes) -> float | None:
    """Create a file with this content, whole, if there is none. If the disk is full, nothing is left of it.

    Returns when it was touched, by its file system's clock; None if there was one. The file itself is not asked: a run
    that ends an older lease may have moved it away for a moment.
    """
    part = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        part.write_bytes(content)
        touched = _time_of(part)
        return touched if _link(part, file) else _created_without_link(file, content)
    except FileExistsError:  # NFS: perhaps it was linked, but the answer was lost and the request repeated
        return touched if part.stat().st_nlink == 2 else None
    finally:
        part.unlink(missing_ok=True)


def _link(part: Path, file: Path) -> bool:
    """Whether the file system has links, and made this one. Raises FileExistsError."""
    try:
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _created_without_link(file: Path, content: bytes) -> float | None:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return None
    try:
        os.write(handle, content)
        return os.fstat(handle).st_mtime
    except OSError:  # an empty lease would be that of an unknown machine, and live its whole time
        file.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def _end(file: Path, content: bytes) -> bool:
    """Remove the lease with this content; whether this call did it. Any other lease stays."""
    away = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        file.rename(away)
    except FileNotFoundError:
        return False
    is_meant = _read(away) == content
    if not is_meant:  # another run ended the one that is meant, and made its own
        with suppress(OSError):
            os.link(away, file)
    away.unlink(missing_ok=True)
    return is_meant


def _content(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def _read(file: Path) -> bytes | None:
    """The bytes of a lease; None if there is none. It is opened, so NFS asks its server."""
    try:
        with file.open("rb") as stream:
            return stream.read(_LONGEST)
    except FileNotFoundError:
        return None


def _holder(content: bytes) -> Holder:
    """Who wrote a lease. A damaged one is that of an unknown machine."""
    try:
        found = json.loads(content)
        holder = Holder(
            str(found["machine"]),
            str(found["flocks"]),
            int(found["process"]),
            str(found["since"]),
            float(found["seconds"]),
            str(found["token"]),
        )
        datetime.fromisoformat(holder.since)
    except (ValueError, KeyError, TypeError):
        return Holder("an unknown machine", "", 0, datetime.now(UTC).isoformat(), machine_settings().lease, "")
    return holder


def _time_of(file: Path) -> float:
    """When a file was touched, by its file system's clock. It is opened, so NFS does not answer from its cache."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.fstat(handle).st_mtime
    finally:
        os.close(handle)
