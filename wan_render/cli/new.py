"""`new`: create a storyboard to start from. It renders without changes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.resources import files
from pathlib import Path
from shlex import quote

from wan_render.errors import Problem, UsageError
from wan_render.printable import LONGEST_SHOWN, one_line, path_name, shown
from wan_render.store.disk import disk_errors

LONGEST_TITLE = 200
"""Characters of a title; a folder's name may have 255."""

STARTER_KEYFRAMES = {
    "dawn": ((38, 42, 84), (236, 150, 110)),
    "noon": ((92, 150, 210), (226, 232, 220)),
    "dusk": ((30, 26, 60), (190, 86, 84)),
}
"""Sky colours of each starter keyframe (RGB): at the top and at the horizon."""


def run(arguments: argparse.Namespace) -> int:
    """Make the folder, its storyboard and its keyframes."""
    folder: Path = arguments.name
    if arguments.origin is not None:
        return _from_other_tool(folder, arguments.origin)
    _make(folder)
    with disk_errors(folder):
        _fill(folder)
    file = path_name(folder / "storyboard.yaml")
    print(f"{file}\nnext: {quote(sys.argv[0])} render --backend animatic {quote(file)}")
    return 0


def _from_other_tool(folder: Path, origin: Path) -> int:
    """Make the folder of what another tool wrote into a file. Prints what could not be carried over."""
    from wan_render.other_tools.begun_storyboard import begun_storyboard  # few storyboards begin with it

    begun = begun_storyboard(origin, _title(folder))
    _make(folder)
    with disk_errors(folder):
        for name, content in begun.files.items():
            (folder / name).write_bytes(content)
    for each in begun.left_out:
        print(f"not carried over: {each}", file=sys.stderr)
    file = path_name(folder / "storyboard.yaml")
    print(f"{file}\nnext: {quote(sys.argv[0])} plan {quote(file)}")
    return 0


def _title(folder: Path) -> str:
    return one_line(folder.absolute().name)[:LONGEST_TITLE]


def _make(folder: Path) -> None:
    if not folder.name:
        raise UsageError(Problem(shown(str(folder)), "is not a name", "a new folder, for example `my-film`"))
    try:
        if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(Problem(path_name(folder), "already exists", "a new name, or an empty folder"))
        (folder / "keyframes").mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        named = shown(str(folder)) if len(str(folder)) > LONGEST_SHOWN else path_name(folder)
        raise UsageError(Problem(named, f"cannot be created ({why})", "a folder that you may write to")) from error


def _fill(folder: Path) -> None:
    starter = files("wan_render.cli").joinpath("starter.yaml").read_text(encoding="utf-8")
    title = json.dumps(_title(folder), ensure_ascii=False)
    (folder / "storyboard.yaml").write_text(starter.replace("{title}", title), encoding="utf-8")
    for name, sky in STARTER_KEYFRAMES.items():
        _paint(sky, folder / "keyframes" / f"{name}.jpg")


def _paint(sky: tuple[tuple[int, int, int], tuple[int, int, int]], target: Path) -> None:
    """Three ranges of hills under a graded sky, 1280x720."""
    import numpy as np
    from PIL import Image

    height, width = 720, 1280
    top, horizon = (np.array(colour, dtype=float) for colour in sky)
    down = np.linspace(0, 1, height)[:, None, None]
    picture = np.broadcast_to(top * (1 - down) + horizon * down, (height, width, 3)).copy()
    across = np.arange(width)
    for distance, (base, swell) in enumerate(((430, 60), (520, 45), (620, 30))):
        ridge = base + swell * np.sin(across / (210 - 50 * distance) + 2 * distance) + 9 * np.sin(across / 37)
        depth = 0.62 - 0.2 * distance
        picture[np.arange(height)[:, None] > ridge[None, :]] = horizon * depth + top * (0.5 - depth / 2)
    Image.fromarray(np.rint(picture.clip(0, 255)).astype(np.uint8)).save(target, quality=92)
