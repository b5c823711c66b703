"""Which devices of a run cannot render which takes, and the messages about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wan_render.backend_contract import Backend, of_devices
from wan_render.backends import rendered_by
from wan_render.devices import KIND_NAMES
from wan_render.errors import Problem
from wan_render.render_values import Device
from wan_render.take import Take

Computing = tuple[str, str, str]
"""The id of a backend, a profile and its variant."""

Unable = Mapping[Computing, Mapping[str, Problem]]
"""How takes are computed → name of a device that cannot do so → what it lacks."""


def computing(take: Take) -> Computing:
    """How a take is computed."""
    return take.backend, *take.sampling.profile_variant


def unable_devices(takes: Sequence[Take], chosen: Backend, devices: Sequence[Device]) -> Unable:
    """The devices that cannot render these takes: those of other backends, and those that lack a profile or variant.
    chosen: the backend of the film."""
    found: dict[Computing, Mapping[str, Problem]] = {}
    for each in dict.fromkeys(map(computing, takes)):
        backend_id, profile, variant = each
        backend = rendered_by(backend_id, chosen)
        unable = backend.unable(profile, devices_of(backend, chosen, devices), variant)
        others = [device for device in devices if _is_foreign(device, backend, chosen)]
        found[each] = {device.name: _foreign(backend, device) for device in others} | dict(unable)
    return found


def refusal(unable: Mapping[str, Problem], devices: Sequence[Device]) -> Problem | None:
    """Why no device can render a profile. None if one can, or if there are no devices."""
    return of_devices(unable) if devices and len(unable) == len(devices) else None


def refused_order(take: Take, chosen: Backend, unable: Unable, devices: Sequence[Device]) -> Problem | None:
    """Why none of its backend's devices can render a take. None if one can, or if there are none."""
    own = devices_of(rendered_by(take.backend, chosen), chosen, devices)
    return refusal(_among(unable[computing(take)], own), own)


def confinements(
    takes: Sequence[Take], chosen: Backend, unable: Unable, devices: Sequence[Device]
) -> tuple[Problem, ...]:
    """A warning for each profile that only some of its backend's devices can render: which can, which cannot, why."""
    found = []
    for each in dict.fromkeys(computing(take) for take in takes if not take.through):
        own = devices_of(rendered_by(each[0], chosen), chosen, devices)
        found.append(confinement(_among(unable[each], own), own))
    return tuple(problem for problem in found if problem is not None)


def confinement(unable: Mapping[str, Problem], devices: Sequence[Device]) -> Problem | None:
    """The warning for one profile. None if all devices can render it, or none."""
    if not 0 < len(unable) < len(devices):
        return None
    able = ", ".join(device.name for device in devices if device.name not in unable)
    problem = of_devices(unable)
    return replace(problem, found=f"rendered on {able}, not on {problem.found}", remedy="")


def devices_of(backend: Backend, chosen: Backend, devices: Sequence[Device]) -> tuple[Device, ...]:
    """The devices that a backend renders on. chosen: the backend of the film."""
    return tuple(device for device in devices if not _is_foreign(device, backend, chosen))


def _among(unable: Mapping[str, Problem], devices: Sequence[Device]) -> dict[str, Problem]:
    names = {device.name for device in devices}
    return {name: problem for name, problem in unable.items() if name in names}


def _is_foreign(device: Device, backend: Backend, chosen: Backend) -> bool:
    """Whether a backend does not render on a device. The film's own one has this machine's devices to itself."""
    is_its_own = backend.id == chosen.id and device.kind in KIND_NAMES
    return device.kind not in backend.device_kinds and not is_its_own


def _foreign(backend: Backend, device: Device) -> Problem:
    name = backend.id.partition("/")[0]
    return Problem(
        f"backend {name}", f"does not render on {device.label}", f"it renders on: {', '.join(backend.device_kinds)}"
    )
