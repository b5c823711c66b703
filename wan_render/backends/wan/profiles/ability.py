"""Which devices can render a profile. Needs no torch and loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wan_render.backend_contract import THE_ONLY_VARIANT, Variant, of_devices
from wan_render.backends.wan.profiles.render_profile import (
    EXACT,
    VARIANTS,
    Machine,
    Profile,
    has_flash3,
    problems_of,
    profile_named,
)
from wan_render.devices import capabilities, local_devices
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.render_values import Device
from wan_render.settings import machine_settings

_FLOAT8 = "float8 needs a Hopper GPU with FlashAttention 3"


def variant(profile: str, devices: Sequence[Device]) -> Variant:
    """See Backend.variant: the strongest variant that all devices can compute, so that a film has one. Without devices:
    the strongest of all."""
    names = tuple(VARIANTS.get(profile, {"": EXACT}))
    if len(names) == 1:
        return THE_ONLY_VARIANT
    where = f"profile '{profile}'"
    if not devices:
        note = f"{where} is planned in float8, for a Hopper GPU: no GPU is here. Other devices compute it like exact"
        return Variant("", note, _others(names, ""))
    lacking = {name: unable(profile, devices, name) for name in names}
    best = next((name for name in names if not lacking[name]), names[-1])
    note = "" if best == "" else f"{where} is computed like {best}; {_FLOAT8} ({of_devices(lacking['']).found})"
    return Variant(best, note, _others(names, best))


def _others(names: Sequence[str], chosen: str) -> Mapping[str, str]:
    return {name: f"computed like {name}" if name else "in float8" for name in names if name != chosen}


def missing_for(profile: str, kinds: tuple[str, ...], variant: str = "") -> Problem | None:
    """What all devices of this machine's settings lack for a variant of a profile; None if one of them can render it.
    kinds: the kinds of devices that are used, the best first."""
    asked = profile_named(profile, variant)
    if not asked.needs_own_kernels or len(VARIANTS[profile]) > 1:  # such a profile has another variant
        return None
    try:
        devices = local_devices(machine_settings(), kinds)
    except (MachineError, UsageError) as fault:
        return _no_gpu(asked, fault)
    lacking = unable(profile, devices, variant)
    return of_devices(lacking) if len(lacking) == len(devices) else None


def unable(profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:
    """See Backend.unable. If a device lacks several things, the last one is named, which demands the most."""
    asked = profile_named(profile, variant)
    if not asked.needs_own_kernels:
        return {}
    if machine_settings().kernels == "stock":
        return {device.name: _stock(asked) for device in devices}
    try:
        machines = dict(_machines(devices))
    except MachineError as fault:
        return {device.name: _unasked(asked, fault) for device in devices}
    lacking = {name: tuple(problems_of(asked, machine)) for name, machine in machines.items()}
    return {name: problems[-1] for name, problems in lacking.items() if problems}


def _machines(devices: Sequence[Device]) -> Iterator[tuple[str, Machine]]:
    """Each device's name and abilities."""
    here = [device for device in devices if device.kind == "cuda"]
    found = {device.name: capability for device, capability in zip(here, capabilities(here), strict=True)}
    for device in devices:
        capability = found.get(device.name, (0, 0))
        yield device.name, Machine(device.kind, capability, has_flash3(capability))


def _stock(asked: Profile) -> Problem:
    found = "needs wan-render's own GPU kernels, but WAN_RENDER_KERNELS is 'stock'"
    remedy = "set WAN_RENDER_KERNELS=auto, or render with profile: exact"
    return Problem(_where(asked), found, "allowed: exact", remedy)


def _unasked(asked: Profile, fault: MachineError) -> Problem:
    first = fault.problems[0]
    found = f"its abilities are unknown: {first.where} {first.found}"
    return Problem(_where(asked), found, first.allowed, "mend that, or render with profile: exact")


def _no_gpu(asked: Profile, fault: MachineError | UsageError) -> Problem:
    first = fault.problems[0]
    found = f"needs a GPU, but {first.where}: {first.found}"
    return Problem(_where(asked), found, first.allowed, "mend that, or render with profile: exact")


def _where(asked: Profile) -> str:
    return f"profile '{asked.name}'"
