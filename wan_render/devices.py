"""The devices of this machine, found without torch: the CPU, and every GPU that `nvidia-smi` lists."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import MachineError, Problem, UsageError
from wan_render.nvidia_smi import nvidia_smi_lines, unanswered
from wan_render.render_values import Device
from wan_render.settings import MachineSettings

SETTING = "WAN_RENDER_DEVICES"

VISIBLE = "CUDA_VISIBLE_DEVICES"

_IN_A_CONTAINER = "NVIDIA_VISIBLE_DEVICES"
"""Read by NVIDIA's container runtime when a container starts. CUDA itself does not know it."""

_NO_GPU = ("", "nodevfiles", "none", "void")
"""What people and SLURM write to hide every GPU, in lower case. A number below 0 hides them as well, as does any
typo."""


def local_devices(settings: MachineSettings, kinds: tuple[str, ...]) -> tuple[Device, ...]:
    """The devices that a backend renders on. kinds: those that it can use, best first.

    `auto` takes every device of the best kind on this machine. A list takes the devices that it names and the backend
    can use. Raises UsageError if a named device does not exist or no device is left; MachineError if nvidia-smi fails.
    """
    if settings.devices.strip() == "auto":
        return _best(kinds)
    return _named(tuple(name.strip() for name in settings.devices.split(",") if name.strip()), kinds)


def planned_devices(settings: MachineSettings, kinds: tuple[str, ...]) -> tuple[Device, ...]:
    """The devices that a plan is made for: those that a render would use here.

    Empty if this machine has only a slower kind than the best and nobody asked for it: a film planned on a laptop is
    rendered elsewhere. Raises the errors of `local_devices`.
    """
    devices = local_devices(settings, kinds)
    is_elsewhere = devices[0].kind != kinds[0] and settings.devices.strip() == "auto"
    return () if is_elsewhere else devices


KIND_NAMES = {"cuda": "NVIDIA GPU", "cpu": "CPU"}
"""Kinds of devices, in users' words."""


def cpu() -> Device:
    """The CPU as one device. Its process sees no GPU."""
    return Device("cpu", _cpu_label(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


@dataclass(frozen=True)
class VisibleGpus:
    """The GPUs of this machine, and what CUDA_VISIBLE_DEVICES leaves of them.

    here:       all of them, in PCI order.
    visible:    those that are left, in the order of the variable.
    problem:    what the value hides, and why; None if it hides nothing.
    by_mistake: whether the value must be a mistake.
    """

    here: tuple[Device, ...]
    visible: tuple[Device, ...]
    problem: Problem | None = None
    by_mistake: bool = False


def gpus() -> tuple[Device, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, in PCI order; none without nvidia-smi.

    `cuda:2` is the GPU that nvidia-smi calls 2, even if fewer are visible: one GPU has one name.
    Raises MachineError if nvidia-smi is installed and fails.
    """
    return () if _hides_all_on_purpose() else visible_gpus().visible


def visible_gpus() -> VisibleGpus:
    """`gpus`, with what the variable hides. Raises MachineError if nvidia-smi is installed and fails."""
    here, value = tuple(_listed()), os.environ.get(VISIBLE)
    return VisibleGpus(here, here) if value is None or not here else _left_by(value, here)


def hidden_gpus(kinds: tuple[str, ...]) -> Problem | None:
    """What CUDA_VISIBLE_DEVICES hides by mistake, for a backend that renders on `kinds`; None if it leaves no GPU."""
    if "cuda" not in kinds or os.environ.get(VISIBLE) is None:
        return None
    try:
        found = visible_gpus()
    except MachineError:  # `local_devices` reports it
        return None
    return found.problem if found.by_mistake and found.visible else None


def capabilities(gpus: Sequence[Device]) -> tuple[tuple[int, int], ...]:
    """CUDA's compute capability of each GPU: (9, 0) for a Hopper. Raises MachineError if nvidia-smi fails or does not
    report it."""
    said = dict(_answers("uuid,compute_cap")) if any(gpu.capability is None for gpu in gpus) else {}
    return tuple(gpu.capability or _capability(gpu, said.get(gpu.pin, "nothing")) for gpu in gpus)


def _best(kinds: tuple[str, ...]) -> tuple[Device, ...]:
    for kind in kinds:
        if found := _of_kind(kind):
            return found
        if kind == "cuda" and not (_hides_all_on_purpose() and len(kinds) > 1):
            _refuse_to_hide_all()
    names = " and no ".join(KIND_NAMES[kind] for kind in kinds)
    raise UsageError(Problem("devices", f"no {names} is here{_without_gpus()}", _allowed(kinds)))


def _refuse_to_hide_all() -> None:
    """Raise UsageError if this machine has GPUs and CUDA_VISIBLE_DEVICES leaves none."""
    found = visible_gpus()
    if found.problem is not None and not found.visible:
        raise UsageError(found.problem)


def _without_gpus() -> str:
    """The reason why a container sees no GPU, by the variable of NVIDIA's runtime; "" if that is not the reason."""
    value = os.environ.get(_IN_A_CONTAINER)
    if value is not None and value.strip().lower() in _NO_GPU:
        return f" ({_IN_A_CONTAINER}={value.strip()}: this container was started without GPUs)"
    return ""


def _named(names: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[Device, ...]:
    asked = {name.partition(":")[0] for name in names}
    here = {device.name: device for kind in ("cuda", "cpu") if kind in asked for device in _of_kind(kind)}
    unknown = [name for name in names if name not in here]
    if unknown or not names or len(set(names)) < len(names):
        raise UsageError(_wrongly_named(unknown))
    usable = tuple(here[name] for name in names if here[name].kind in kinds)
    if not usable:
        raise UsageError(
            Problem(
                SETTING, f"names {', '.join(names)}, but this backend renders on {' or '.join(kinds)}", _allowed(kinds)
            )
        )
    return usable


def _wrongly_named(unknown: list[str]) -> Problem:
    """What is wrong with WAN_RENDER_DEVICES: names that are unknown or hidden, no name, or one name twice."""
    if not unknown:
        return Problem(SETTING, "names no device, or one device twice", _allowed(("cuda", "cpu")))
    if any(name.startswith("cuda") for name in unknown) and os.environ.get(VISIBLE) is not None:
        found = visible_gpus()
        if found.problem is not None and {gpu.name for gpu in found.here}.issuperset(unknown):
            hidden = f"{', '.join(unknown)} is hidden: {found.problem.where}: {found.problem.found}"
            return Problem(SETTING, hidden, found.problem.allowed, found.problem.remedy)
    return Problem(SETTING, f"unknown device {', '.join(map(repr, unknown))}", _allowed(("cuda", "cpu")))


def _of_kind(kind: str) -> tuple[Device, ...]:
    return {"cpu": lambda: (cpu(),), "cuda": gpus}[kind]()


def _allowed(kinds: tuple[str, ...]) -> str:
    here = [device.name for kind in kinds for device in _of_kind(kind)]
    return f"allowed: auto, or some of {', '.join(here)}" if here else "this machine has none"


def _listed() -> Iterator[Device]:
    for index, (uuid, mebibytes, name) in enumerate(_answers("uuid,memory.total,name")):
        memory = int(mebibytes) * 2**20 if mebibytes.isdigit() else 0  # "[N/A]" if it is shared with the CPU
        yield Device(f"cuda:{index}", name, memory, pin=uuid)


def _capability(gpu: Device, said: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)\.(\d+)", said)
    if found is None:
        raise unanswered("nvidia-smi", f"reports {said} as the compute capability of {gpu.name}")
    return int(found[1]), int(found[2])


def _answers(fields: str) -> Iterator[list[str]]:
    """The fields of each GPU. Only the last one may contain commas. Raises MachineError for an answer without them."""
    count = fields.count(",") + 1
    for line in nvidia_smi_lines(f"gpu={fields}"):
        parts = [part.strip() for part in line.split(",", count - 1)]
        if len(parts) < count:
            raise unanswered("nvidia-smi", f"answers {line[:80]!r} when asked for {fields}")
        yield parts


def _hides_all_on_purpose() -> bool:
    value = os.environ.get(VISIBLE)
    return value is not None and (value.strip().lower() in _NO_GPU or re.match(r"\s*-[1-9]", value) is not None)


def _left_by(value: str, here: tuple[Device, ...]) -> VisibleGpus:
    """The GPUs that a value leaves, by CUDA's own rules.

    The value is a list of numbers, or of UUIDs or their beginnings that fit exactly one GPU. The first invalid entry
    ends the list. A GPU that is named twice hides all.

    Source: "CUDA Environment Variables" in the CUDA C++ programming guide. Case, blanks, signs, mixed lists and
    repetition are as cuInit and cuDeviceGetCount of driver 580 answered on two H200s.
    """
    find = _by_uuid if value.startswith("GPU-") else _by_number
    visible: list[Device] = []
    for token in value.split(","):
        gpu = find(token, here)
        if gpu is None:
            reason = "" if _hides_all_on_purpose() else _why_invalid(token, visible)
            return _hiding(value, here, tuple(visible), reason)
        if gpu in visible:
            return _hiding(value, here, (), f"it names {gpu.name} twice, and CUDA then starts with none")
        visible.append(gpu)
    return _hiding(value, here, tuple(visible), "")


def _hiding(value: str, here: tuple[Device, ...], visible: tuple[Device, ...], reason: str) -> VisibleGpus:
    """reason: the mistake in the value; "" if it has none."""
    if len(visible) == len(here) and not reason:
        return VisibleGpus(here, visible)
    left = f"only {', '.join(gpu.name for gpu in visible)}" if visible else "none"
    these = f"the {len(here)} GPUs of this machine" if len(here) > 1 else "the GPU of this machine"
    found = f"{value[:80]!r} leaves {left} of {these}" + (f": {reason}" if reason else "")
    names = ", ".join(f"{gpu.name.removeprefix('cuda:')} ({gpu.pin}, {gpu.label})" for gpu in here)
    problem = Problem(VISIBLE, found, f"allowed: numbers or UUIDs from {names}", "correct or unset it")
    return VisibleGpus(here, visible, problem, bool(reason))


def _why_invalid(token: str, before: Sequence[Device]) -> str:
    if token.strip().startswith("MIG-"):
        reason = f"{token.strip()[:80]} names a MIG slice, and wan-render renders on whole GPUs only"
    elif token.strip().lower() == "all":
        reason = "CUDA has no word for all GPUs; an unset variable hides none"
    else:
        reason = f"{token.strip()[:80]!r} is not one of them"
    return f"{reason}, and CUDA ignores what follows it" if before else reason


def _by_number(token: str, here: tuple[Device, ...]) -> Device | None:
    """The GPU whose number C's strtol reads: "1gpu" is 1."""
    number = re.match(r"\s*([+-]?\d+)", token)
    name = f"cuda:{int(number[1])}" if number is not None else ""
    return next((gpu for gpu in here if gpu.name == name), None)


def _by_uuid(token: str, here: tuple[Device, ...]) -> Device | None:
    if not token.startswith("GPU-"):
        return None
    fitting = [gpu for gpu in here if gpu.pin.lower().startswith(token.rstrip().lower())]
    return fitting[0] if len(fitting) == 1 else None


def _cpu_label() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
