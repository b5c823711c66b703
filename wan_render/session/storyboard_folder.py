"""The storyboards of a folder."""

from __future__ import annotations

import os
from pathlib import Path

STORYBOARD_PATTERNS = ("*.yaml", "*.yml", "*/storyboard.yaml", "*/storyboard.yml")


def is_folder(path: Path) -> bool:
    """Whether this is a folder. False for what no path can be."""
    return os.path.isdir(path)  # noqa: PTH112 - pathlib raises an error for names that are too long


def storyboards_in(folder: Path) -> tuple[Path, ...]:
    """The storyboards of a folder, by name: its YAML files, and `storyboard.yaml` in each of its folders. What begins
    with `_` or `.` is left out. A broken one counts, since it is to be reported. Empty if there is no such folder."""
    try:
        found = {file for pattern in STORYBOARD_PATTERNS for file in folder.glob(pattern) if file.is_file()}
    except (OSError, ValueError):  # no folder can have this name
        return ()
    return tuple(sorted(file for file in found if not _is_left_out(file.relative_to(folder))))


def _is_left_out(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)
