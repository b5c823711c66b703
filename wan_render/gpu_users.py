"""Which programs hold memory of this machine's GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from wan_render.nvidia_smi import nvidia_smi_lines
from wan_render.render_values import Device

LEAST_SHARE = 0.1
"""Of a GPU's memory. Less does not matter: a desktop, a browser."""


@dataclass(frozen=True)
class GpuUser:
    """A program that holds memory of a GPU. memory_bytes: 0 if the driver does not say (in a container, in WSL)."""

    device: str
    pid: int
    name: str
    memory_bytes: int

    def __str__(self) -> str:
        held = f" {self.memory_bytes / 1e9:.1f} GB" if self.memory_bytes else " an unknown amount of memory"
        return f"{self.name} (process {self.pid}) holds{held} of {self.device}"


def gpu_users(devices: Sequence[Device]) -> tuple[GpuUser, ...]:
    """The programs that hold so much memory that a take may lack it.

    Empty without GPUs. Raises MachineError if nvidia-smi fails.
    """
    by_uuid = {device.pin: device for device in devices if device.kind == "cuda"}
    return tuple(_users(by_uuid)) if by_uuid else ()


def _users(by_uuid: Mapping[str, Device]) -> Iterator[GpuUser]:
    for line in nvidia_smi_lines("compute-apps=gpu_uuid,pid,used_memory,process_name"):
        parts = [part.strip() for part in line.split(",", 3)]
        if len(parts) < 4 or parts[0] not in by_uuid or not parts[1].isdigit():
            continue
        uuid, pid, mebibytes, name = parts
        device, is_known = by_uuid[uuid], mebibytes.isdigit()
        held = int(mebibytes) * 2**20 if is_known else 0
        if not is_known or held >= LEAST_SHARE * device.memory_bytes:
            yield GpuUser(device.name, int(pid), _program(int(pid), name), held)


def _program(pid: int, name: str) -> str:
    """The name of a program, for Python with its script: `python3 ComfyUI/main.py`. In a container the process may be
    hidden, or its number may be another's here."""
    program = PurePath(name).name or name
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return program
    script = next((word for word in words[1:] if word and not word.startswith("-")), "")
    if not script.endswith(".py") or PurePath(words[0]).name[:6] != program[:6]:
        return program
    return f"{program} {PurePath(*PurePath(script).parts[-2:])}"
