"""Which of a run's devices cannot render which profiles, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wan_render.errors import Problem
from wan_render.render import Backend, Device, of_devices
from wan_render.take import Take

Unable = Mapping[str, Mapping[str, Problem]]
"""Profile → name of a device that cannot render it → what that lacks."""


def unable_devices(takes: Sequence[Take], backend: Backend, devices: Sequence[Device]) -> Unable:
    """For every profile of these takes."""
    profiles = dict.fromkeys(take.sampling.profile for take in takes)
    return {profile: backend.unable(profile, devices) for profile in profiles}


def refusal(unable: Mapping[str, Problem], devices: Sequence[Device]) -> Problem | None:
    """Why a profile is refused: no device can render it. None where one can, or there is no device to ask."""
    return of_devices(unable) if devices and len(unable) == len(devices) else None


def confinements(takes: Sequence[Take], unable: Unable, devices: Sequence[Device]) -> tuple[Problem, ...]:
    """For each profile that some of the devices render and others cannot: who takes part, who does not, and why."""
    profiles = dict.fromkeys(take.sampling.profile for take in takes if not take.through)
    found = (confinement(unable[profile], devices) for profile in profiles)
    return tuple(problem for problem in found if problem is not None)


def confinement(unable: Mapping[str, Problem], devices: Sequence[Device]) -> Problem | None:
    """Of one profile; None where all can render it, or none."""
    if not 0 < len(unable) < len(devices):
        return None
    able = ", ".join(device.name for device in devices if device.name not in unable)
    lacking = of_devices(unable)
    return replace(lacking, found=f"rendered on {able}, not on {lacking.found}", remedy="")
