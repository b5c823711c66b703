"""Which of a run's devices cannot render which profiles, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wan_render.backend_contract import Backend, of_devices
from wan_render.errors import Problem
from wan_render.render_values import Device
from wan_render.take import Take, Way

Unable = Mapping[Way, Mapping[str, Problem]]
"""How takes are computed → name of a device that cannot render it → what that lacks."""


def unable_devices(takes: Sequence[Take], backend: Backend, devices: Sequence[Device]) -> Unable:
    """For every profile of these takes, in their variant."""
    ways = dict.fromkeys(take.sampling.way for take in takes)
    return {(profile, variant): backend.unable(profile, devices, variant) for profile, variant in ways}


def refusal(unable: Mapping[str, Problem], devices: Sequence[Device]) -> Problem | None:
    """Why a profile is refused: no device can render it. None where one can, or there is no device to ask."""
    return of_devices(unable) if devices and len(unable) == len(devices) else None


def confinements(takes: Sequence[Take], unable: Unable, devices: Sequence[Device]) -> tuple[Problem, ...]:
    """For each profile that some of the devices render and others cannot: who takes part, who does not, and why."""
    ways = dict.fromkeys(take.sampling.way for take in takes if not take.through)
    found = (confinement(unable[way], devices) for way in ways)
    return tuple(problem for problem in found if problem is not None)


def confinement(unable: Mapping[str, Problem], devices: Sequence[Device]) -> Problem | None:
    """Of one profile; None where all can render it, or none."""
    if not 0 < len(unable) < len(devices):
        return None
    able = ", ".join(device.name for device in devices if device.name not in unable)
    lacking = of_devices(unable)
    return replace(lacking, found=f"rendered on {able}, not on {lacking.found}", remedy="")
