"""Which devices the runs of a farm have quarantined: an empty file for each, in the farm's folder.

A run writes the note; whoever removes it releases the device. No prefect here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.farm_home.run_lock import is_held

QUARANTINE = "quarantine"
"""In the farm's folder: files called RUN.DEVICE, such as 0190….cuda:1."""


@dataclass(frozen=True)
class QuarantinedDevice:
    """device: its name, `cuda:1`. run: Prefect's ID of the run. since: when the run noted it."""

    device: str
    run: str
    since: datetime


class QuarantineNotes:
    """The notes of one run."""

    def __init__(self, home: Path, run: str) -> None:
        self._folder, self._run = home / QUARANTINE, run
        self._noted: set[str] = set()

    def tell(self, devices: Collection[str]) -> tuple[str, ...]:
        """Note that these devices are quarantined, and no others. Returns those that somebody has released."""
        released = tuple(name for name in devices if name in self._noted and not self._note(name).exists())
        for name in self._noted.difference(devices):
            self._note(name).unlink(missing_ok=True)
        for name in set(devices) - self._noted:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._note(name).touch(mode=0o600)
        self._noted = set(devices).difference(released)
        return released

    def close(self) -> None:
        """The run has ended, and its quarantines with it."""
        self.tell(())

    def _note(self, device: str) -> Path:
        return self._folder / f"{self._run}.{device}"


def quarantined_devices(home: Path) -> tuple[QuarantinedDevice, ...]:
    """The devices that are quarantined now. Notes of runs that were killed are ignored."""
    folder = home / QUARANTINE
    notes = sorted(folder.iterdir()) if folder.is_dir() else ()
    found = []
    for note in notes:
        run, _, device = note.name.partition(".")
        try:
            since = datetime.fromtimestamp(note.stat().st_mtime, UTC)
        except FileNotFoundError:
            continue
        if is_held(home, run):
            found.append(QuarantinedDevice(device, run, since))
    return tuple(found)


def release_device(home: Path, device: str) -> bool:
    """Let a device have takes again; whether a run had quarantined it."""
    mine = [each for each in quarantined_devices(home) if each.device == device]
    for each in mine:
        (home / QUARANTINE / f"{each.run}.{device}").unlink(missing_ok=True)
    return bool(mine)
