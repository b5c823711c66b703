"""Tab in a shell: what argcomplete's script asks, and what it gets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("wan-render pl", {"plan "}),
        ("wan-render farm dr", {"drain "}),
        ("wan-render farm stop --o", {"--only "}),
        ("wan-render render story", {"storyboard.yaml "}),
    ],
)
def test_commands_options_and_files_are_completed(tmp_path: Path, typed: str, offered: set[str]) -> None:
    (tmp_path / "storyboard.yaml").touch()
    asks = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "offered")}
    point = {"COMP_LINE": typed, "COMP_POINT": str(len(typed))}
    command = [sys.executable, "-c", "from wan_render.cli import main; main()"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **asks, **point}, capture_output=True, check=True)
    found = (tmp_path / "offered").read_text(encoding="utf-8").split("\n")
    assert {f"{each.strip()} " for each in found} == offered
