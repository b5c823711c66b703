"""One file from a hub to the disk: goes on where it stopped, and is checked."""

from __future__ import annotations

from pathlib import Path

from wan_render.backends.wan.weights.checksum import agrees
from wan_render.backends.wan.weights.hub import RemoteFile
from wan_render.backends.wan.weights.watch import Meter
from wan_render.backends.wan.weights.web import AbsentError, LostConnectionError, Site
from wan_render.errors import MachineError, Problem, WeightsError

CHUNK_BYTES = 1 << 20

AGAIN = "the same command downloads this file anew"

PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Before each further attempt; whenever bytes came, counting begins anew."""


def download(file: RemoteFile, target: Path, site: Site, meter: Meter) -> None:
    """Have all bytes of the file in `target`, which may hold its first bytes from an earlier attempt.

    Raises WeightsError where they are not the hub's; they are thrown away then. MachineError where the hub cannot be
    read, Stopped, OSError: what was read is kept.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()
    failures = 0
    while (have := target.stat().st_size) < file.size:
        try:
            _read_on(file, target, have, site, meter)
        except AbsentError as fault:
            raise MachineError(*fault.problems) from None
        except LostConnectionError as fault:
            failures = 1 if target.stat().st_size > have else failures + 1
            if failures > len(PAUSES_SECONDS):
                raise
            meter.say(f"{file.path}: {fault.problems[0].found}; trying again")
            meter.pause(PAUSES_SECONDS[failures - 1])
    if have > file.size or not agrees(target, file.checksum, meter.check):
        target.unlink()
        meter.advance(-file.size)
        raise WeightsError(
            Problem(file.path, f"its bytes are not those that {site.title} lists", f"expected {file.checksum}", AGAIN)
        )


def _read_on(file: RemoteFile, target: Path, have: int, site: Site, meter: Meter) -> None:
    with site.open(file.url, have) as response, target.open("ab") as stream:
        if have and response.status != 206:  # the server reads files from their start only
            stream.truncate(0)
            meter.advance(-have)
            have = 0
        while have <= file.size and (chunk := response.read1(CHUNK_BYTES)):
            meter.check()  # after a stop nothing more is written: the next run may be at it already
            stream.write(chunk)
            have += len(chunk)
            meter.advance(len(chunk))
    if have < file.size:
        raise LostConnectionError(Problem(site.title, f"ended {file.path} after {have:,} of {file.size:,} bytes"))
