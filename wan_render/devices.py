"""The devices of this machine, found without torch: the CPU, and every GPU that `nvidia-smi` lists."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import which

from wan_render.errors import MachineError, Problem, UsageError
from wan_render.render import Device
from wan_render.settings import MachineSettings

SETTING = "WAN_RENDER_DEVICES"

_ANSWER_SECONDS = 30.0
"""nvidia-smi takes a few seconds where the driver is not resident; one that takes longer hangs."""


def local_devices(settings: MachineSettings, kinds: tuple[str, ...]) -> tuple[Device, ...]:
    """The devices that a backend renders on; `kinds` are those it can use, the best first.

    `auto` takes every device of the best kind that is here. A list takes those named in it that the backend
    can use. Raises UsageError for a name that is not here and where none is left; MachineError where nvidia-smi fails.
    """
    if settings.devices.strip() == "auto":
        return _best(kinds)
    return _named(tuple(name.strip() for name in settings.devices.split(",") if name.strip()), kinds)


KIND_NAMES = {"cuda": "NVIDIA GPU", "cpu": "CPU"}
"""Kinds of devices, as people call them."""


def cpu() -> Device:
    """The CPU as one device, GPUs hidden from it."""
    return Device("cpu", _cpu_label(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def gpus() -> tuple[Device, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, in PCI order; none where there is no nvidia-smi.

    `cuda:2` is what nvidia-smi calls 2, however many of them are visible: one GPU has one name.
    Raises MachineError where nvidia-smi is here and fails.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    listed = tuple(_listed()) if visible is None or visible.strip() else ()
    return listed if visible is None else tuple(_visible(listed, visible))


def capabilities(gpus: Sequence[Device]) -> tuple[tuple[int, int], ...]:
    """CUDA's compute capability of each GPU: (9, 0) for a Hopper. Raises MachineError where nvidia-smi fails, or does
    not say."""
    said = dict(_parts(line, 2) for line in _nvidia_smi("uuid,compute_cap")) if gpus else {}
    return tuple(_capability(gpu, said.get(gpu.pin, "nothing")) for gpu in gpus)


def _best(kinds: tuple[str, ...]) -> tuple[Device, ...]:
    for kind in kinds:
        if found := _of_kind(kind):
            return found
    raise UsageError(
        Problem("devices", f"no {' and no '.join(KIND_NAMES[kind] for kind in kinds)} is here", _allowed(kinds))
    )


def _named(names: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[Device, ...]:
    asked = {name.partition(":")[0] for name in names}
    here = {device.name: device for kind in ("cuda", "cpu") if kind in asked for device in _of_kind(kind)}
    unknown = [name for name in names if name not in here]
    if unknown or not names or len(set(names)) < len(names):
        found = f"no device is called {' or '.join(map(repr, unknown))}" if unknown else "names no device, or one twice"
        raise UsageError(Problem(SETTING, found, _allowed(("cuda", "cpu"))))
    usable = tuple(here[name] for name in names if here[name].kind in kinds)
    if not usable:
        raise UsageError(
            Problem(
                SETTING, f"names {', '.join(names)}, but this backend renders on {' or '.join(kinds)}", _allowed(kinds)
            )
        )
    return usable


def _of_kind(kind: str) -> tuple[Device, ...]:
    return {"cpu": lambda: (cpu(),), "cuda": gpus}[kind]()


def _allowed(kinds: tuple[str, ...]) -> str:
    here = [device.name for kind in kinds for device in _of_kind(kind)]
    return f"allowed: auto, or some of {', '.join(here)}" if here else "this machine has none"


def _listed() -> Iterator[Device]:
    for index, line in enumerate(_nvidia_smi("uuid,memory.total,name")):
        uuid, mebibytes, name = _parts(line, 3)
        memory = int(mebibytes) * 2**20 if mebibytes.isdigit() else 0  # "[N/A]" where it is shared with the CPU
        yield Device(f"cuda:{index}", name, memory, pin=uuid)


def _capability(gpu: Device, said: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)\.(\d+)", said)
    if found is None:
        raise _unanswered("nvidia-smi", f"says {said} where it is asked for the compute capability of {gpu.name}")
    return int(found[1]), int(found[2])


def _parts(line: str, count: int) -> list[str]:
    """Of a line of CSV; the last one may have commas in it."""
    return [part.strip() for part in line.split(",", count - 1)]


def _nvidia_smi(fields: str) -> list[str]:
    """A line for each GPU. A driver that does not know a field answers nothing at all."""
    program = which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise _unanswered(program, f"does not answer within {_ANSWER_SECONDS:.0f} s") from None
    if "No devices were found" in answer.stdout:
        return []
    if answer.returncode != 0:
        raise _unanswered(program, (answer.stdout + answer.stderr).strip() or f"failed with {answer.returncode}")
    return answer.stdout.splitlines()


def _unanswered(program: str, found: str) -> MachineError:
    return MachineError(Problem(program, found, remedy=f"repair the driver, or render without a GPU: {SETTING}=cpu"))


def _visible(listed: tuple[Device, ...], visible: str) -> Iterator[Device]:
    """CUDA's own rule: numbers or beginnings of UUIDs, in this order; the first invalid one ends the list."""
    for token in visible.split(","):
        matches = [device for device in listed if _is(device, token.strip())]
        if len(matches) != 1:
            return
        yield matches[0]


def _is(device: Device, token: str) -> bool:
    return device.name == f"cuda:{token}" or (token.startswith("GPU-") and device.pin.startswith(token))


def _cpu_label() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
