"""Where the lock of a device is: one place for everybody who could use the device at the same time.

- **A GPU: its device node**, /dev/nvidia<minor>, found by its UUID in /proc/driver/nvidia. Whoever can use the GPU can
  read it; nobody but root can put something else there. Containers share it where their runtime binds the node in.
- **A CPU, and a GPU without a node (WSL): a file of this user's own**, ~/.local/state/wan-render/locks, with the home
  folder of the user database: a run from cron, a service with PrivateTmp and a job of SLURM have the same. A home
  folder may be shared by several machines, so the file's name has the running kernel's in it.
- Where that cannot be written: /run/user/<uid>, then the folder of version 0.1. Where nothing can: no lock, and it is
  said.
"""

from __future__ import annotations

import os
import platform
import pwd
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import MachineError, Problem
from wan_render.render_values import Device

_GPUS, _NODES, _BOOT = Path("/proc/driver/nvidia/gpus"), "/dev/nvidia", Path("/proc/sys/kernel/random/boot_id")

SETTING = "WAN_RENDER_LOCKS"


@dataclass(frozen=True)
class LockPlace:
    """A file to be locked. path: None where there is none. is_own: whether it is this user's, made where it is absent.
    weakness: who does not see the lock, in words. is_former: whether version 0.1 looks there."""

    path: Path | None
    is_own: bool = True
    weakness: str = ""
    is_former: bool = False


def place_for(device: Device, folder: Path | None) -> LockPlace:
    """The place of a device's lock. folder: for a device without a node, instead of this user's own.

    Raises MachineError where a folder is given and cannot hold locks.
    """
    if device.pin and (node := _node(device.pin)) is not None:
        return LockPlace(node, is_own=False)
    name = f"{_word(device.pin or device.name)}-{_machine()}.lock"
    alone = f"the driver names no device node of {device.name}: only this user's runs see that it is used"
    weakness = alone if device.pin else ""
    if folder is not None:
        if not _is_usable(folder):
            found = "cannot hold this user's locks"
            raise MachineError(Problem(str(folder), found, "a folder of your own", f"name another in {SETTING}"))
        return LockPlace(folder / name, weakness=weakness)
    for number, candidate in enumerate(_folders()):
        if _is_usable(candidate):
            elsewhere = (
                f"the lock of {device.name} is in {candidate}: set {SETTING} to a folder that all your runs share"
            )
            return LockPlace(candidate / name, weakness=elsewhere if number else weakness)
    return LockPlace(None, weakness=f"there is no lock of {device.name}: set {SETTING} to a folder of your own")


def former_places(device: Device) -> Iterator[LockPlace]:
    """The locks of version 0.1, where its folder is there and ours: it may be at work at this moment."""
    for folder in dict.fromkeys((_former_folder(), Path("/tmp") / _former_folder().name)):  # noqa: S108 - where it was
        if _is_ours(folder):
            yield LockPlace(folder / f"{_word(device.pin or device.name)}.lock", is_former=True)


def _folders() -> Iterator[Path]:
    if (home := _home()) is not None:
        yield home / ".local" / "state" / "wan-render" / "locks"
    session = Path("/run/user") / str(os.getuid())
    if _is_ours(session):
        yield session / "wan-render"
    yield _former_folder()


def _home() -> Path | None:
    """Of the user database; HOME where that does not know the user, as in many containers."""
    with suppress(KeyError):
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    home = os.environ.get("HOME", "")
    return Path(home) if home.startswith("/") else None


def _former_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"wan-render-{os.getuid()}"


def _is_usable(folder: Path) -> bool:
    """Whether it is, or could be made, a folder that this user alone writes."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _is_ours(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    return False


def _is_ours(folder: Path) -> bool:
    """A real folder, no link to one, of this user."""
    with suppress(OSError):
        state = folder.lstat()
        return stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()
    return False


def _node(uuid: str) -> Path | None:
    """The device node of a GPU; None where the driver does not say, or it cannot be opened."""
    for file in sorted(_GPUS.glob("*/information")):
        with suppress(OSError):
            facts = dict(re.findall(r"^(.*?):\s*(.*?)\s*$", file.read_text(encoding="utf-8", errors="replace"), re.M))
            node = Path(f"{_NODES}{facts.get('Device Minor', '')}")
            if facts.get("GPU UUID") == uuid and stat.S_ISCHR(node.lstat().st_mode) and os.access(node, os.R_OK):
                return node
    return None


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", name)


def _machine() -> str:
    """The running kernel: the same in every container on it, another on every machine."""
    try:
        return _BOOT.read_text(encoding="utf-8").strip().partition("-")[0]
    except OSError:
        return _word(platform.node())
