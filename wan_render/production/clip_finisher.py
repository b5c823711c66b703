"""The work of finishing that a device can do: upscaling a clip, and retiming one by a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from wan_render.retime.clip_retimer import ClipRetimer, ClipToRetime
from wan_render.upscale.clip_upscaler import ClipToUpscale, ClipUpscaler

ClipWork = ClipToUpscale | ClipToRetime


class FinishesClips(Protocol):
    """Does one piece of work somewhere: in this process, or on a device of the farm."""

    def __call__(self, job: ClipWork, progress: Callable[[int, int], None]) -> None:
        """Write `job.target`. progress: called with the frames done and their total. Raises MachineError; Stopped, and
        what `progress` raises."""


class ClipFinisher:
    """Does the work on one device, in this process. Networks stay loaded."""

    def __init__(self, device: str) -> None:
        """device: `cuda` or `cpu`, as torch names them in a process that sees only one GPU."""
        self._upscaler, self._retimer = ClipUpscaler(device), ClipRetimer(device)

    def finish_clip(self, job: ClipWork, progress: Callable[[int, int], None]) -> None:
        """Write `job.target`, atomically. Raises the errors of both."""
        match job:
            case ClipToUpscale():
                self._upscaler.upscale(job, progress)
            case ClipToRetime():
                self._retimer.retime(job, progress)
