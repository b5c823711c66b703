"""Where the lock of a device is: a place that all possible users of the device share.

- **A GPU: its device node**, /dev/nvidia<minor>, found by its UUID in /proc/driver/nvidia. Everyone who can use the GPU
  can read it, and only root can replace it. Containers share it if their runtime binds the node.
- **A CPU, or a GPU without a node (WSL): a file of this user** in ~/.local/state/wan-render/locks. The home folder is
  that of the user database, so that cron jobs, services with PrivateTmp and SLURM jobs agree. Several machines may
  share a home folder, so the file's name contains the boot id of the running kernel.
- If that cannot be written: /run/user/<uid>, then the folder of version 0.1. If none can: no lock, with a warning.
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
    """A file to lock.

    path:      None if there is no place for a lock.
    is_own:    whether it is a file of this user, made if absent; else it is a device node.
    weakness:  who does not see the lock, in words; "" if everyone does.
    is_former: whether version 0.1 looks there.
    """

    path: Path | None
    is_own: bool = True
    weakness: str = ""
    is_former: bool = False


def place_for(device: Device, folder: Path | None) -> LockPlace:
    """The place of a device's lock. folder: for a device without a node, instead of the default.

    Raises MachineError if a given folder cannot hold locks.
    """
    if device.pin and (node := _node(device.pin)) is not None:
        return LockPlace(node, is_own=False)
    name = f"{_word(device.pin or device.name)}-{_machine()}.lock"
    alone = f"{device.name} has no device node: only this user's runs see that it is in use"
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
    return LockPlace(None, weakness=f"{device.name} has no lock: set {SETTING} to a folder of your own")


def former_places(device: Device) -> Iterator[LockPlace]:
    """The locks of version 0.1, if its folder exists and is ours: that version may be running now."""
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
    """The home folder in the user database, or HOME if the user is not in it, as in many containers."""
    with suppress(KeyError):
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    home = os.environ.get("HOME", "")
    return Path(home) if home.startswith("/") else None


def _former_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"wan-render-{os.getuid()}"


def _is_usable(folder: Path) -> bool:
    """Whether the folder is, or could be made, private to this user and writable."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _is_ours(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    return False


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder of this user, and not a link."""
    with suppress(OSError):
        state = folder.lstat()
        return stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()
    return False


def _node(uuid: str) -> Path | None:
    """The device node of a GPU; None if the driver does not name it or it is not readable."""
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
    """A name for the running kernel: the same in all its containers, different on every machine."""
    try:
        return _BOOT.read_text(encoding="utf-8").strip().partition("-")[0]
    except OSError:
        return _word(platform.node())
