"""A small film on disk, and the command line run as a user runs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.warm_python import warm_python

STORYBOARD = """\
version: 1
film: {title: Harbour, raster: 64x64, deliver: 96x96}
defaults: {duration: 1s, render: {seed: 5}}
keyframes: keyframes/
shots:
  # the first light
  - {from: dawn, to: noon, action: the light climbs}  # over the quay
  - shot: "020"
    from: noon
    to: dusk
    action: boats come home
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    """The storyboard of a film with two shots between three keyframes."""
    return write_harbour(tmp_path)


def write_harbour(folder: Path) -> Path:
    """Write the storyboard into the folder. Returns the file."""
    pictures = folder / "film" / "keyframes"
    pictures.mkdir(parents=True)
    for name, colour in (("dawn", (200, 120, 60)), ("noon", (120, 160, 220)), ("dusk", (60, 40, 120))):
        Image.new("RGB", (96, 96), colour).save(pictures / f"{name}.png")
    file = folder / "film" / "harbour.yaml"
    file.write_text(STORYBOARD, encoding="utf-8")
    return file


@pytest.fixture
def wan_render(tmp_path: Path) -> Run:
    """Run the command in `tmp_path`, in its own process and with its own cache."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return warm_python().run(tuple(map(str, arguments)), tmp_path, environment(tmp_path))

    return run


def environment(home: Path) -> dict[str, str]:
    """The environment of this process, with the cache, weights and device locks of a test."""
    locks = home / "tmp"
    locks.mkdir(exist_ok=True)
    folders = {"XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data"), "TMPDIR": str(locks)}
    folders["WAN_RENDER_LOCKS"] = str(locks)
    return {**os.environ, **folders}
