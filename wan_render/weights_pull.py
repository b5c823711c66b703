"""What every pull of weights keeps to, wherever they come from: one run at a time, and errors that say what helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from wan_render.errors import DiskError, MachineError, Problem
from wan_render.store.disk import disk_error
from wan_render.store.file_locks import if_free


@contextmanager
def lone_pull(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock beside a folder of weights, which is made by nobody else meanwhile.

    name: of the weights, for the message. Raises MachineError if another run pulls them; DiskError for every error of
    the disk inside the `with` block.
    """
    with _disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with if_free(folder.with_name(f".{folder.name}.lock")) as is_ours:
            if not is_ours:
                raise MachineError(Problem(name, "is being pulled by another run", remedy="wait for it to end"))
            yield


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Give errors of the disk the remedy that helps here."""
    try:
        yield
    except (DiskError, OSError) as fault:
        known = fault if isinstance(fault, DiskError) else disk_error(folder, fault)
        remedy = "free some space, or keep the weights elsewhere: --to DIR, or WAN_RENDER_WEIGHTS"
        raise DiskError(*(replace(each, allowed="", remedy=remedy) for each in known.problems)) from fault
