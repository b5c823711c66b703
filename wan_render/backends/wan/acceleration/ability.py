"""Whether this machine can render a profile, asked before anything is rendered. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.backends.wan.acceleration.profile import Machine, has_flash3, named, problems_of
from wan_render.devices import capabilities, local_devices
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.render import Device
from wan_render.settings import machine_settings


def missing_for(profile: str, kinds: tuple[str, ...]) -> Problem | None:
    """What a profile other than exact wants of this machine's settings, GPUs and packages. Of unlike devices it is
    enough that one has it. kinds: of the devices that are rendered on, the best first."""
    asked = named(profile)
    if not asked.is_approximate:
        return None
    where, settings = f"profile '{profile}'", machine_settings()
    if settings.kernels == "stock":
        found = "needs wan-render's own GPU kernels, but WAN_RENDER_KERNELS is 'stock'"
        return Problem(where, found, "allowed: exact", "set WAN_RENDER_KERNELS=auto, or render with profile: exact")
    try:
        machines = _machines(local_devices(settings, kinds))
    except (MachineError, UsageError) as fault:
        first = fault.problems[0]
        found = f"needs a GPU, but {first.where}: {first.found}"
        return Problem(where, found, first.allowed, "mend that, or render with profile: exact")
    lacking = [tuple(problems_of(asked, machine)) for machine in machines]
    return lacking[0][-1] if all(lacking) else None  # of what the first one lacks, the last is the most


def _machines(devices: Sequence[Device]) -> list[Machine]:
    """What they can do."""
    here = [device for device in devices if device.kind == "cuda"]
    able = [Machine("cuda", capability, has_flash3(capability)) for capability in capabilities(here)]
    return able + [Machine(device.kind) for device in devices if device.kind != "cuda"]
