"""Save the traceback of a bug in wan-render, so that users can report it."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from wan_render.errors import Problem, UsageError
from wan_render.printable import path_name, printable
from wan_render.settings import machine_settings

MOST_REPORTS = 20
"""How many reports are kept; the oldest are deleted first."""


def report_defect() -> Problem:
    """Save the exception that is being handled. Returns the message for the user."""
    text = printable(f"{' '.join(sys.argv)}\n{traceback.format_exc()}")
    last = text.strip().splitlines()[-1]
    return Problem("wan-render", f"a defect: {last}", remedy=f"please report it with {path_name(_written(text))}")


def _written(text: str) -> Path:
    """The file with the text: in the cache, or in the system's temporary folder if the cache cannot be written."""
    try:
        folder = machine_settings().cache / "defects"
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("*.log"))[: 1 - MOST_REPORTS]:
            old.unlink(missing_ok=True)
        file = folder / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{os.getpid()}.log"
        file.write_text(text, encoding="utf-8")
    except (OSError, ValueError, UsageError):
        handle, name = tempfile.mkstemp(prefix="wan-render-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8") as log:
            log.write(text)
        return Path(name)
    return file
