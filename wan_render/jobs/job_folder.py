"""The folder of a job: new, and there only when it is complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from wan_render.errors import Problem, UsageError
from wan_render.printable import path_name
from wan_render.store.disk import disk_errors


def write_job(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files into a new folder. A file that begins with `#!` can be executed.

    Raises UsageError if the folder is there and not empty, DiskError if it cannot be written.
    """
    _check_new(folder)
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for name, text in files.items():
                (part / name).write_text(text, encoding="utf-8", newline="\n")
                (part / name).chmod(0o755 if text.startswith("#!") else 0o644)
            part.chmod(0o755)
            os.replace(part, folder)  # noqa: PTH105 - an empty folder is replaced
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _check_new(folder: Path) -> None:
    try:
        is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except (OSError, ValueError) as error:
        raise UsageError(Problem(f"--out {path_name(folder)}", f"cannot be used: {error}", "a new folder")) from error
    if not is_free:
        raise UsageError(Problem(f"--out {path_name(folder)}", "already exists", "a new or empty folder"))
