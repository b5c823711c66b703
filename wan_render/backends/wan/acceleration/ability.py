"""Which devices can render a profile, asked before anything is rendered. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wan_render.backends.wan.acceleration.profile import Machine, Profile, has_flash3, named, problems_of
from wan_render.devices import capabilities, local_devices
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.render import Device, of_devices
from wan_render.settings import machine_settings


def missing_for(profile: str, kinds: tuple[str, ...]) -> Problem | None:
    """What every device of this machine's settings lacks for a profile other than exact; None where one has it all.
    kinds: of the devices that are rendered on, the best first."""
    asked = named(profile)
    if not asked.is_approximate:
        return None
    try:
        devices = local_devices(machine_settings(), kinds)
    except (MachineError, UsageError) as fault:
        return _no_gpu(asked, fault)
    lacking = unable(profile, devices)
    return of_devices(lacking) if len(lacking) == len(devices) else None


def unable(profile: str, devices: Sequence[Device]) -> Mapping[str, Problem]:
    """See Backend.unable. Of all that a device lacks it is the last, which is the most."""
    asked = named(profile)
    if not asked.is_approximate:
        return {}
    if machine_settings().kernels == "stock":
        return {device.name: _stock(asked) for device in devices}
    try:
        machines = dict(_machines(devices))
    except MachineError as fault:
        return {device.name: _no_gpu(asked, fault) for device in devices}
    lacking = {name: tuple(problems_of(asked, machine)) for name, machine in machines.items()}
    return {name: problems[-1] for name, problems in lacking.items() if problems}


def _machines(devices: Sequence[Device]) -> Iterator[tuple[str, Machine]]:
    """What each can do, by its name."""
    here = [device for device in devices if device.kind == "cuda"]
    found = {device.name: capability for device, capability in zip(here, capabilities(here), strict=True)}
    for device in devices:
        capability = found.get(device.name, (0, 0))
        yield device.name, Machine(device.kind, capability, has_flash3(capability))


def _stock(asked: Profile) -> Problem:
    found = "needs wan-render's own GPU kernels, but WAN_RENDER_KERNELS is 'stock'"
    remedy = "set WAN_RENDER_KERNELS=auto, or render with profile: exact"
    return Problem(_where(asked), found, "allowed: exact", remedy)


def _no_gpu(asked: Profile, fault: MachineError | UsageError) -> Problem:
    first = fault.problems[0]
    found = f"needs a GPU, but {first.where}: {first.found}"
    return Problem(_where(asked), found, first.allowed, "mend that, or render with profile: exact")


def _where(asked: Profile) -> str:
    return f"profile '{asked.name}'"
