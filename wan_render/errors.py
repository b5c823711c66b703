"""The errors of wan-render. Each is a list of problems; each problem has four parts.

WanRenderError
├── InputError                    exit 2: the user's input is wrong
│   ├── StoryboardError             the file: every mistake at once, each with file:line:column
│   ├── PictureError                a keyframe cannot be used
│   └── UsageError                  an option or an argument
├── MachineError                  exit 3: the machine's fault
│   ├── DiskError                   a file or folder cannot be written or read
│   │   └── DiskFullError             no room is left: nothing more can be written, so rendering stops
│   ├── FfmpegError                 ffmpeg failed: it ran, and ended badly
│   │   ├── FfmpegMissingError        there is none that runs
│   │   └── FfmpegKilledError         a signal ended it, or the system could not start it; worth retrying
│   ├── WeightsError                weights are missing, incomplete or of another model
│   └── DeviceError                 a device died, stalled or cannot do it; worth retrying, on another if any
│       ├── OutOfMemoryError          the device's memory was too small; worth retrying with less
│       └── LostPeerError             another device of its group did not answer; the fault is not this one's
├── RenderError                   one take failed; the film gets a slate (exit 1)
└── Stopped                       exit 130 or 143: interrupted, terminated, cancelled

Every error pickles: it is built from its problems alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wan_render.printable import one_line, printable, shortened


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what was found there, what is allowed, what to do.

    `where` is `file:line:column` or the name of a thing; the last two parts may be empty
    where the second says it all. Each part holds foreign text as it was found; as a message it is printable, and only
    the remedy may have several lines.
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
        """The problems, in the order of the file where they have places in one."""
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
    """A file or a folder cannot be written or read, or there is too little room."""


class DiskFullError(DiskError):
    """No room is left on the disk, or in the user's quota of it."""


class FfmpegError(MachineError):
    """ffmpeg failed; the problem carries the tail of what it printed."""


class FfmpegMissingError(FfmpegError):
    """There is no ffmpeg that runs."""


class FfmpegKilledError(FfmpegError):
    """A signal ended ffmpeg, or the system had no memory or process left to start it: another attempt may succeed."""

    worth_retrying = True


class WeightsError(MachineError):
    """A model's weights are missing, incomplete, or not what they claim to be."""


class DeviceError(MachineError):
    """A device process died, ran out of memory, showed no progress, or cannot do what another one may: another attempt
    may succeed."""

    worth_retrying = True


class OutOfMemoryError(DeviceError):
    """A device ran out of memory: another attempt may succeed that uses less (Workspace.tighter)."""


class LostPeerError(DeviceError):
    """A device of a group got no answer from another one: the fault is that one's, or that of the ways between."""


class RenderError(WanRenderError):
    """A take could not be rendered, and a second attempt would end alike."""

    exit_code = 1


class Stopped(WanRenderError):  # noqa: N818 - to be stopped is no error of anybody
    """The user or the system asked to stop; what was finished is kept."""

    exit_code = 130


class Terminated(Stopped):
    """Stopped by SIGTERM."""

    exit_code = 143
