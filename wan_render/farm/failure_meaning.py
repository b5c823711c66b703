"""What a failed attempt says about its devices."""

from __future__ import annotations

from wan_render.errors import DeviceError, LostPeerError, MachineError, Problem, RenderError, Stopped, WanRenderError


def is_of_device(cause: BaseException) -> bool:
    """Whether the device on which it was raised may be at fault."""
    return isinstance(cause, WanRenderError) and cause.worth_retrying and not isinstance(cause, LostPeerError)


def of_group(cause: BaseException) -> BaseException:
    """The error to raise for a failed group. Since one device makes the next attempt, errors become worth retrying,
    except those of the input, the weights or the disk."""
    if type(cause) in (RenderError, MachineError) and isinstance(cause, WanRenderError):
        return DeviceError(*cause.problems)
    return cause


def stopped(shot: str) -> Stopped:
    """What attempts raise after the farm was stopped."""
    return Stopped(Problem(shot, "was stopped"))
