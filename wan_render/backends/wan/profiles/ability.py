"""Which devices can render a profile. Needs no torch and loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wan_render.backend_contract import THE_ONLY_VARIANT, Variant, of_devices
from wan_render.backends.wan.profiles.render_profile import (
    AS_EXACT,
    EXACT,
    VARIANT_WORDS,
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

KINDS = ("cuda", "cpu")
"""Supported kinds of devices, the best first."""


def variant(profile: str, devices: Sequence[Device]) -> Variant:
    """See Backend.variant: the strongest variant that all devices can compute, of those that can compute any, so that a
    film has one. Without devices: the strongest of all."""
    names = tuple(VARIANTS.get(profile, {"": EXACT}))
    if len(names) == 1:
        return THE_ONLY_VARIANT
    where = f"profile '{profile}'"
    if not devices:
        note = f"{where} is planned in float8, for a Hopper GPU: no GPU is here. Other GPUs compute it otherwise"
        return Variant("", note, _others(names, ""))
    lacking = {name: unable(profile, devices, name) for name in names}
    best = _strongest(names, lacking, devices)
    if best == "":
        return Variant("", "", _others(names, ""))
    why = of_devices(lacking[""]).found
    note = f"{where} is computed {VARIANT_WORDS[best]}; all of it in float8 needs a Hopper GPU with FlashAttention 3"
    return Variant(best, f"{note} ({why})", _others(names, best))


def _strongest(names: Sequence[str], lacking: Mapping[str, Mapping[str, Problem]], devices: Sequence[Device]) -> str:
    """The first variant that each device can compute, but for devices that can compute none: those are left out. The
    first of all if no device can compute any."""
    useful = {device.name for device in devices if any(device.name not in lacking[name] for name in names)}
    return next((name for name in names if useful and useful.isdisjoint(lacking[name])), names[0])


def _others(names: Sequence[str], chosen: str) -> Mapping[str, str]:
    return {name: _computed(name) for name in names if name != chosen}


def _computed(name: str) -> str:
    words = VARIANT_WORDS[name]
    return f"computed {words}" if name == AS_EXACT else words


def missing_for(profile: str, kinds: tuple[str, ...], variant: str = "") -> Problem | None:
    """What all devices of this machine's settings lack for a variant of a profile; None if one of them can render it.
    kinds: the kinds of devices that are used, the best first."""
    asked = profile_named(profile, variant)
    if not all(each.needs_own_kernels for each in VARIANTS[profile].values()):  # one of its variants runs anywhere
        return None
    if machine_settings().farm != "local":  # its devices are asked when it is known which ones there are
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
