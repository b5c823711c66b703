"""Makes sounds from words with models, on a device of this machine, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wan_render.farm.borrowed_device import BorrowedDevice
from wan_render.settings import MachineSettings
from wan_render.sound.sound_models import ModelSound

HANDLER = "wan_render.farm.process.sound_handler:sounds_of_models"


class DeviceSounds(BorrowedDevice):
    """Calls to it make sounds, one after the other; see production.made_sounds.RunsModel."""

    def __init__(self, store: Path, settings: MachineSettings, tell: Callable[[str], None]) -> None:
        """store: the outputs folder, for the log. tell: called with a sentence if all devices are held."""

        def in_use() -> None:
            tell("all devices are in use: this sound is made on the CPU")

        super().__init__(store, settings, HANDLER, "sounds.log", in_use)

    def __call__(self, job: ModelSound) -> None:
        """Write `job.target`. Raises MachineError, and UsageError for devices that do not exist."""
        self.attempt(job, "a sound")
