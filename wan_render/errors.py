"""The errors of wan-render. Each is a list of problems; each problem has four parts.

WanRenderError
├── InputError                    exit 2: the user's input is wrong
│   ├── StoryboardError             the file: every mistake at once, each with file:line:column
│   ├── PictureError                a keyframe cannot be used
│   └── UsageError                  an option, an argument or a setting
├── MachineError                  exit 3: the machine's fault
│   ├── DiskError                   a file or folder cannot be written or read
│   │   └── DiskFullError             the disk is full: nothing more can be written, so rendering stops
│   ├── FfmpegError                 ffmpeg ran and failed
│   │   ├── FfmpegMissingError        no ffmpeg runs on this machine
│   │   └── FfmpegKilledError         a signal ended it, or the system could not start it; worth retrying
│   ├── WeightsError                weights are missing, incomplete or of another model
│   └── DeviceError                 a device died, stalled or is unable; worth retrying, on another one if possible
│       ├── OutOfMemoryError          the device ran out of memory; worth retrying with less
│       └── LostPeerError             another device of its group did not answer; this device is not at fault
├── RenderError                   one take failed; the film gets a slate (exit 1)
│   └── ServiceError                a service that renders takes refused one or does not answer; others are not affected
│       └── BudgetError               a take may not be bought: the film's budget does not allow it
├── OverrunError                  a take was aborted because its night was over; no failure of the take
├── HeldElsewhereError            another run renders the take; no failure of the take
└── Stopped                       exit 130 or 143: interrupted, terminated, cancelled
    └── Drained                     the farm begins no more takes; what is left waits

Every error can be pickled: it is built from its arguments, which are its problems (HeldElsewhereError has one more).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wan_render.printable import one_line, printable, shortened


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what was found there, what is allowed, what to do.

    `where` is `file:line:column` or the name of a thing. The last two parts may be empty if the second says it all.
    Each part holds foreign text unchanged. The message, `str(problem)`, is printable; only its remedy may have several
    lines.
    """

    where: str
    found: str
    allowed: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        said = [one_line(shortened(part)) for part in (self.where, self.found, self.allowed)]
        parts = (f"{said[0]}: {said[1]}", said[2], printable(shortened(self.remedy)))
        return "; ".join(part for part in parts if part)


class WanRenderError(Exception):
    """The root of all errors that wan-render raises on purpose."""

    exit_code: ClassVar[int] = 3
    worth_retrying: ClassVar[bool] = False

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("an error needs at least one problem")
        super().__init__(*problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems; those with a place in a file are in the order of the file."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class InputError(WanRenderError):
    """The user's input is wrong; nothing was rendered."""

    exit_code = 2


class StoryboardError(InputError):
    """Mistakes in a storyboard file."""


class PictureError(InputError):
    """A picture that cannot be a keyframe."""


class UsageError(InputError):
    """A wrong option, argument or setting of the machine."""


class MachineError(WanRenderError):
    """The machine cannot do what was asked."""


class DiskError(MachineError):
    """A file or a folder cannot be written or read, or the disk has too little room."""


class DiskFullError(DiskError):
    """The disk is full, or the user's quota on it."""


class FfmpegError(MachineError):
    """ffmpeg failed; the problem carries the tail of what it printed."""


class FfmpegMissingError(FfmpegError):
    """No ffmpeg runs on this machine."""


class FfmpegKilledError(FfmpegError):
    """A signal or its watchdog ended ffmpeg, or the system was out of memory or processes to start it. A retry may
    succeed."""

    worth_retrying = True


class WeightsError(MachineError):
    """A model's weights are missing, incomplete, or not what they claim to be."""


class DeviceError(MachineError):
    """A device process died, ran out of memory, made no progress, or cannot do what another device may be able to do.
    A retry may succeed."""

    worth_retrying = True


class OutOfMemoryError(DeviceError):
    """A device ran out of memory. A retry that uses less may succeed (Workspace.tighter)."""


class LostPeerError(DeviceError):
    """A device of a group got no answer from another one. The other device is at fault, or the connection."""


class RenderError(WanRenderError):
    """A take could not be rendered, and a retry would fail in the same way."""

    exit_code = 1


class ServiceError(RenderError):
    """A service that renders takes refused this one, or does not answer. Takes that are rendered elsewhere are not
    affected."""


class BudgetError(ServiceError):
    """A take may not be bought: its film's budget does not allow it, or it may be paid already."""


class OverrunError(WanRenderError):
    """A take was aborted: its night was over, and it was not finished. The next night renders it."""

    exit_code = 1


class HeldElsewhereError(WanRenderError):
    """Another run renders this take, here or on another machine. It will be in the store, or nobody will hold it.

    machine: the name of that run's machine.
    """

    exit_code = 1

    def __init__(self, problem: Problem, machine: str) -> None:
        super().__init__(problem)
        self.args = (problem, machine)
        self.machine = machine

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Its one problem."""
        return self.args[:1]


class Stopped(WanRenderError):  # noqa: N818 - being stopped is nobody's error
    """The user or the system asked to stop; what was finished is kept."""

    exit_code = 130


class Drained(Stopped):
    """Whoever runs the farm asked it to begin no more takes. Those that had begun are finished; the rest waits."""


class Terminated(Stopped):
    """Stopped by SIGTERM."""

    exit_code = 143
