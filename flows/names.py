"""What films, takes and artifacts are called in the UI."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run

from wan_render.printable import one_line, shortened

LONGEST_NAME = 100
"""Characters of a film's or a folder's name in a run's name."""


def film_name(storyboard: Path) -> str:
    """The storyboard's own name; that of its folder where it is called `storyboard.yaml`."""
    whole = Path(os.path.abspath(storyboard))  # noqa: PTH100 - a parameter may hold a NUL, which `resolve` refuses
    name = whole.parent.name if storyboard.stem == "storyboard" else storyboard.stem
    return shortened(one_line(name), LONGEST_NAME)


def folder_name(folder: Path) -> str:
    """The name of a batch's folder."""
    name = Path(os.path.abspath(folder)).name  # noqa: PTH100 - as above
    return shortened(one_line(name), LONGEST_NAME)


def film_run_name() -> str:
    """`river-to-dove 2026-11-20 22:00`, by the clock of the machine that renders."""
    return f"{film_name(Path(_parameter('storyboard')))} {_now()}"


def batch_run_name() -> str:
    """`storyboards 2026-11-20 22:00`."""
    return f"{folder_name(Path(_parameter('folder')))} {_now()}"


def artifact_key(kind: str, slug: str) -> str:
    """A key that Prefect takes: a-z, 0-9 and dashes. A slug with other letters than these is told from its like by
    digits of its hash."""
    words = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")
    digits = "" if words == slug else hashlib.sha256(slug.encode()).hexdigest()[:6]
    return "-".join(filter(None, (kind, words, digits)))


def _parameter(name: str) -> str:
    parameters: dict[str, Any] = flow_run.parameters
    return str(parameters[name])


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
