"""`new`: a storyboard to start from, which renders as it is."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.resources import files
from pathlib import Path
from shlex import quote

from wan_render.errors import Problem, UsageError

STARTER_KEYFRAMES = {
    "dawn": ((38, 42, 84), (236, 150, 110)),
    "noon": ((92, 150, 210), (226, 232, 220)),
    "dusk": ((30, 26, 60), (190, 86, 84)),
}
"""The colours of each starter keyframe's sky, at its top and at the horizon (RGB)."""


def run(arguments: argparse.Namespace) -> int:
    """Make the folder, its storyboard and three keyframes."""
    folder: Path = arguments.name
    _make(folder)
    starter = files("wan_render.cli").joinpath("starter.yaml").read_text(encoding="utf-8")
    (folder / "storyboard.yaml").write_text(
        starter.replace("{title}", json.dumps(folder.name, ensure_ascii=False)), encoding="utf-8"
    )
    for name, sky in STARTER_KEYFRAMES.items():
        _paint(sky, folder / "keyframes" / f"{name}.jpg")
    file = folder / "storyboard.yaml"
    print(f"{file}\nnext: {quote(sys.argv[0])} render --backend animatic {quote(str(file))}")
    return 0


def _make(folder: Path) -> None:
    if not folder.name:
        raise UsageError(Problem(f"'{folder}'", "is no name", "a folder to be made, `my-film`"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(Problem(str(folder), "is there already", "a new name, or an empty folder"))
    try:
        (folder / "keyframes").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            Problem(str(folder), f"cannot be made ({error.strerror})", "a folder that you may write to")
        ) from error


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
