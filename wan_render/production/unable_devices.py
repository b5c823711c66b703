"""Which devices of a run cannot render which profiles, and the messages about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wan_render.backend_contract import Backend, of_devices
from wan_render.errors import Problem
from wan_render.render_values import Device
from wan_render.take import ProfileVariant, Take

Unable = Mapping[ProfileVariant, Mapping[str, Problem]]
"""Profile and variant → name of a device that cannot render them → what it lacks."""


def unable_devices(takes: Sequence[Take], backend: Backend, devices: Sequence[Device]) -> Unable:
    """The devices that cannot render the profiles and variants of these takes."""
    variants = dict.fromkeys(take.sampling.profile_variant for take in takes)
    return {(profile, variant): backend.unable(profile, devices, variant) for profile, variant in variants}


def refusal(unable: Mapping[str, Problem], devices: Sequence[Device]) -> Problem | None:
    """Why no device can render a profile. None if one can, or if there are no devices."""
    return of_devices(unable) if devices and len(unable) == len(devices) else None


def confinements(takes: Sequence[Take], unable: Unable, devices: Sequence[Device]) -> tuple[Problem, ...]:
    """A warning for each profile that only some of the devices can render: which can, which cannot, and why."""
    variants = dict.fromkeys(take.sampling.profile_variant for take in takes if not take.through)
    found = (confinement(unable[variant], devices) for variant in variants)
    return tuple(problem for problem in found if problem is not None)


def confinement(unable: Mapping[str, Problem], devices: Sequence[Device]) -> Problem | None:
    """The warning for one profile. None if all devices can render it, or none."""
    if not 0 < len(unable) < len(devices):
        return None
    able = ", ".join(device.name for device in devices if device.name not in unable)
    problem = of_devices(unable)
    return replace(problem, found=f"rendered on {able}, not on {problem.found}", remedy="")
