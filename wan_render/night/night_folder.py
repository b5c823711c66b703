"""The folder of a night: outputs/nights/2026-11-27/, a second night of that date in 2026-11-27-2/."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from itertools import count
from pathlib import Path

from wan_render.night.night_record import NIGHT_PAGE, NIGHT_RECORD, NightRecord
from wan_render.store.disk import disk_errors, write_whole
from wan_render.store.outputs import NIGHTS


def new_night_folder(outputs: Path, day: date) -> Path:
    """A new folder for a night that starts on this day, in its own time zone. Raises DiskError."""
    nights = outputs / NIGHTS
    with disk_errors(nights):
        nights.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = nights / (day.isoformat() if number == 1 else f"{day.isoformat()}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    raise AssertionError("unreachable: count does not end")


def write_night(folder: Path, night: NightRecord) -> None:
    """Write the record of a night in one step. Raises DiskError."""
    with disk_errors(folder):
        write_whole(folder / NIGHT_RECORD, night.to_json())


def remove_night(folder: Path) -> None:
    """Remove the folder of a night that never began. Whatever else is in it stays."""
    with suppress(OSError):
        for name in (NIGHT_RECORD, NIGHT_PAGE):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
