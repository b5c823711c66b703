"""Paint the keyframes of this film: `python paint.py` paints them anew, `--check` compares them with what is here.

Everything is drawn from seeded noise and curves with NumPy and OpenCV; the same versions give the same pictures.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE))

from painting.brushes import finished  # noqa: E402 - the folder beside this script

NAMES = ("river", "ruins", "deer", "waterfall", "dove")
_QUALITY = 86
_ALIKE = 3.0
"""Mean difference, of 255, that JPEG and other versions of the libraries may make."""


def paint(name: str) -> NDArray[np.uint8]:
    """One keyframe, (720, 1280, 3) RGB."""
    return finished(import_module(f"painting.{name}").painted(), seed=NAMES.index(name))


def _file(name: str) -> Path:
    return _HERE / "keyframes" / f"{name}.jpg"


def _save(name: str) -> None:
    Image.fromarray(paint(name)).save(_file(name), quality=_QUALITY, subsampling=0, optimize=True)
    sys.stdout.write(f"{_file(name).name}: {_file(name).stat().st_size // 1024} KiB\n")


def _differs(name: str) -> bool:
    there = np.asarray(Image.open(_file(name)).convert("RGB"), np.int16)
    difference = float(np.abs(there - paint(name)).mean())
    sys.stdout.write(f"{_file(name).name}: mean difference {difference:.2f} of 255\n")
    return difference > _ALIKE


def main() -> int:
    """Paint or check; returns the exit code."""
    reading = argparse.ArgumentParser(description=__doc__)
    reading.add_argument("--check", action="store_true", help="compare, change nothing; exit 1 if one differs")
    reading.add_argument("names", nargs="*", choices=(*NAMES, []), help="only these")
    asked = reading.parse_args()
    names = asked.names or NAMES
    if asked.check:
        return int(sum([_differs(name) for name in names]) > 0)
    for name in names:
        _save(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
