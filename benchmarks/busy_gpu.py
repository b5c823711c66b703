"""How busy finishing keeps a GPU in a film of several takes: upscaled by `video`, then retimed by `rife`.

    python -m benchmarks.busy_gpu --weights DIR [--device cuda] [--takes 8] [--frames 81]

DIR: `wan-render models pull realesrgan` and `models pull rife` fill `realesrgan` and `rife` in it. The takes are noise
that moves, 832x480 at 16 frames per second; the film has 1280x720 at 24. Each stage runs as in a film, in this process:
takes in a store, and results that are hashed and flushed to the disk. One film is made first, so that the networks are
loaded. `cpu_ms_per_frame`: of all threads, for a frame of the result.

Predicted for one H200 and 16 cores, before the first run: with FFV1, `video` 50 % and `rife` 9 %; with MagicYUV and
results that are published behind the next clip, `video` 80 % and `rife` 40 %.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.evened_motion import published
from benchmarks.gpu_share import gpu_share
from wan_render.cut import RETIME_FORMS, ClipSource, Cut, Event
from wan_render.media.raster import FilmSources
from wan_render.production.clip_finisher import ClipFinisher
from wan_render.production.upscaled_cut import upscaled
from wan_render.retime.retimed_cut import retimed
from wan_render.store import Store
from wan_render.take import Size
from wan_render.upscaling import Upscaling
from wan_render.wheel_weights import REALESRGAN

SIZES, TINY_SIZES = (Size(832, 480), Size(1280, 720)), (Size(64, 48), Size(96, 72))
"""Of the takes, and of the film."""

RATE, FILM_RATE = Fraction(16), Fraction(24)
WARM_UP = 16
"""Frames of the take of the first film."""


def main() -> None:
    """Print what one film of each kind needs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--takes", type=int, default=8)
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--tiny", action="store_true", help="small pictures, to try the program on a CPU")
    arguments = parser.parse_args()
    sizes = TINY_SIZES if arguments.tiny else SIZES
    os.environ["WAN_RENDER_WEIGHTS"] = str(arguments.weights)
    finisher = ClipFinisher(arguments.device)
    film(1, WARM_UP, sizes, arguments.weights, finisher)
    for stage, figures in film(arguments.takes, arguments.frames, sizes, arguments.weights, finisher).items():
        length = {"takes": arguments.takes, "frames": arguments.frames}
        print(json.dumps({"stage": stage, **length, **figures}), flush=True)


def film(
    takes: int, frames: int, sizes: tuple[Size, Size], weights: Path, finisher: ClipFinisher
) -> dict[str, dict[str, float]]:
    """Each stage of a film, and its figures."""
    network = weights / "realesrgan" / REALESRGAN.files["video"].name
    made: list[tuple[Cut, FilmSources]] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        cut = planned(store, takes, frames, sizes)

        def upscale() -> None:
            made.append(upscaled(cut, store, {}, network, finisher.finish_clip, lambda _: _ignore))

        def retime() -> None:
            made.append(retimed(*made[0], store.intermediates, _ignore, finisher.finish_clip))

        return {"upscale": measured(upscale, takes * frames), "retime": measured(retime, takes * shown(frames))}


def shown(frames: int) -> int:
    """How many frames of the film a take is."""
    return (frames - 1) * int(FILM_RATE) // int(RATE)


def planned(store: Store, takes: int, frames: int, sizes: tuple[Size, Size]) -> Cut:
    """A film of new takes in the store."""
    events = [
        Event(f"1/{at:03}0", _take(store, at, frames, sizes[0]), 0, shown(frames), rate=RATE) for at in range(takes)
    ]
    upscaling = Upscaling("realesrgan", REALESRGAN.files["video"].sha256)
    cut = Cut("", FILM_RATE, *sizes, "cover", 0, 0, tuple(events), upscale=upscaling)
    return replace(cut, retime=RETIME_FORMS["rife"])


def _take(store: Store, seed: int, frames: int, size: Size) -> ClipSource:
    noise = np.random.default_rng(seed).integers(0, 256, (size.height + frames, size.width, 3), np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    return published(store, np.stack([blurred[at : at + size.height] for at in range(frames)]))


def measured(work: Callable[[], object], frames: int) -> dict[str, float]:
    """Seconds, CPU time of a frame, and how busy the GPU was. It is done once."""
    if not torch.cuda.is_available():
        began, spent = time.perf_counter(), time.process_time()
        work()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "cpu_ms_per_frame": 1000 * (time.process_time() - spent) / frames}
    spent = time.process_time()
    share = gpu_share(work)
    cpu = 1000 * (time.process_time() - spent) / frames
    busy = {"gpu_busy": share.busy / share.wall, "gpu_ms_per_frame": 1000 * share.busy / frames}
    return {"seconds": share.wall, "cpu_ms_per_frame": cpu, **busy}


def _ignore(_done: int, _total: int) -> None:
    """Nobody waits for a benchmark's progress."""


if __name__ == "__main__":
    main()
