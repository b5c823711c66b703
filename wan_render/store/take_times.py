"""take-times.jsonl: how long every finished take took. Estimates learn from it.

One JSON object per line, newest last. Takes may be pruned; their times stay. Each line is appended by one write, so
several processes may add lines. Damaged lines are skipped. If the file is missing, the records of the takes are used.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from wan_render.printable import logger
from wan_render.store.disk import write_whole
from wan_render.store.record import TOGETHER, TakeRecord

LOG = logger("wan_render.store")

TIMES = "take-times.jsonl"

MOST_BYTES_OF_TIMES = 1_000_000
"""A larger file is cut to its newest half at the beginning of a run. A line has about 350 bytes."""

_Count = Annotated[int, Field(ge=1, le=10**6)]
_Guidance = Annotated[float, Field(ge=0, le=1e4)]
_Share = Annotated[float, Field(gt=0, le=1)]
_Seconds = Annotated[float, Field(ge=0, le=1e8)]


@dataclass(frozen=True)
class TakeSeconds:
    """One line: what was rendered, on what, and the seconds of each phase (render_values.Phase, or `preparing`).

    kind: of shot. device: the kind of device; label: its model. devices: how many rendered it together. model: as in a
    Take.
    """

    key: str
    made: AwareDatetime
    backend: str
    model: str
    kind: str
    width: _Count
    height: _Count
    frames: _Count
    steps: _Count
    guidance: Annotated[tuple[_Guidance, ...], Field(min_length=1, max_length=8)]
    profile: str
    variant: str
    device: str
    label: str
    devices: _Count
    seconds: Mapping[str, _Seconds]
    guided_share: _Share = 1.0
    version: Literal[1] = 1

    @property
    def identity(self) -> tuple[str, AwareDatetime]:
        """Equal for two lines about one rendering."""
        return self.key, self.made


class TakeTimes:
    """The file of a store. It is created by the first take."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def add(self, record: TakeRecord) -> None:
        """Append a take's times. A failure costs only an estimate, so it is a warning in the log."""
        times = times_of(record)
        if times is not None:
            try:
                self._append(_adapter().dump_json(times))
            except OSError as error:
                LOG.warning("%s: the time of a take was not added: %s", self.file, error.strerror or error)

    def read(self) -> tuple[TakeSeconds, ...] | None:
        """All lines, each rendering once, oldest first; None if there is no such file. Warns about damaged lines."""
        try:
            content = self._content()
        except FileNotFoundError:
            return None
        except OSError as error:
            LOG.warning("%s cannot be read (%s): estimates use the takes in the store", self.file, error.strerror)
            return None
        lines = [line for line in content.split(b"\n") if line.strip()]
        found = {times.identity: times for times in _parsed(lines)}
        return tuple(sorted(found.values(), key=lambda times: times.made))

    def prepare(self, records: Iterable[TakeRecord]) -> None:
        """At the beginning of a run: create the file from the records of an earlier version's takes, or cut it to its
        newest half if it is too large. Lines that another process adds in this moment may be lost."""
        try:
            size = self.file.lstat().st_size
        except FileNotFoundError:
            known = sorted(filter(None, map(times_of, records)), key=lambda times: times.made)
            if known:
                self._write(known)
            return
        except OSError:
            return
        if size > MOST_BYTES_OF_TIMES:
            kept = self.read() or ()
            self._write(kept[len(kept) // 2 :])

    def _write(self, lines: Iterable[TakeSeconds]) -> None:
        with suppress(OSError):  # another user's store: it is only read
            write_whole(self.file, b"".join(_adapter().dump_json(times) + b"\n" for times in lines))

    def _append(self, line: bytes) -> None:
        # Not through a link, and without waiting: anybody may have put something in the place of the file.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(self.file, flags, 0o666)
        try:
            state = os.fstat(handle)
            _refuse_unusual(state)
            # A line that was cut off by a full disk or a power failure damages no other line.
            is_whole = not state.st_size or os.pread(handle, 1, state.st_size - 1) == b"\n"
            os.write(handle, (b"" if is_whole else b"\n") + line + b"\n")
        finally:
            os.close(handle)

    def _content(self) -> bytes:
        """The newest bytes of the file, from the beginning of a line on."""
        handle = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as stream:
            state = os.fstat(handle)
            _refuse_unusual(state)
            left_out = max(state.st_size - 2 * MOST_BYTES_OF_TIMES, 0)
            stream.seek(left_out)
            content = stream.read(2 * MOST_BYTES_OF_TIMES)
        return content.partition(b"\n")[2] if left_out else content


def times_of(record: TakeRecord) -> TakeSeconds | None:
    """The line of a take; None for a take that was joined from others, and for a record without such fields."""
    take: Mapping[str, Any] = record.take
    if "through" in take:
        return None
    try:
        sampling, size, made = take["sampling"], take["size"], record.provenance
        ends = take["first"] is not None, take["last"] is not None
        return _adapter().validate_python(
            {
                "key": record.key,
                "made": record.made,
                "backend": take["backend"],
                "model": take["model"],
                "kind": {(False, False): "t2v", (True, False): "i2v"}.get(ends, "flf2v"),
                "width": size["width"],
                "height": size["height"],
                "frames": take["frames"],
                "steps": sampling["steps"],
                "guidance": tuple(sampling["guidance"]),
                "profile": sampling["profile"],
                "variant": sampling.get("variant", ""),
                "guided_share": sampling.get("guided_share", 1.0),
                "device": made.device.partition("@")[0].partition(":")[0],
                "label": made.device_label,
                "devices": len(made.device.split(TOGETHER)),
                "seconds": made.seconds,
            }
        )
    except (KeyError, TypeError, ValidationError):
        return None


def _parsed(lines: Iterable[bytes]) -> Iterator[TakeSeconds]:
    """The lines that are whole. Says how many are not."""
    damaged = 0
    for line in lines:
        try:
            yield _adapter().validate_json(line)
        except ValidationError:
            damaged += 1
    if damaged:
        LOG.warning("%s: %d damaged lines are skipped: estimates do without them", TIMES, damaged)


def _refuse_unusual(state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise OSError(0, "is not a file")


@cache
def _adapter() -> TypeAdapter[TakeSeconds]:
    return TypeAdapter(TakeSeconds)
