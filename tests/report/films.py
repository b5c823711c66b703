"""A small finished film to report on. The colours of its clips identify every frame."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from wan_render.media.clip import write_clip
from wan_render.media.preview import write_preview
from wan_render.quality.measurements import Measurements
from wan_render.quality.verdicts import judge
from wan_render.render_values import Frames, Pixels
from wan_render.report.review import Review, ReviewSeam, ReviewShot, ReviewTake, ShownFrame
from wan_render.take import Size

SIZE = Size(160, 96)
RATE = Fraction(16)
FRAMES = 17
RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 180, 30), (30, 30, 200), (90, 90, 90)
SLATE = "cuda:0 ran out of memory while decoding"
SETTINGS = {"size": "160x96", "steps": "50", "guidance": "5.0", "profile": "exact"}
SECONDS = {"waiting": 100.0, "loading": 2.0, "step": 90.5, "writing": 0.25}


def flat(colour: tuple[int, int, int], frames: int = FRAMES) -> Pixels:
    return np.full((frames, SIZE.height, SIZE.width, 3), colour, np.uint8)


def ramp(frames: int = FRAMES) -> Pixels:
    """Frame n is grey of 10·n."""
    return np.concatenate([flat((10 * number,) * 3, 1) for number in range(frames)])


@dataclass
class Store:
    """Clips on disk, made once for each content."""

    folder: Path
    made: dict[str, Path] = field(default_factory=dict)

    def clip(self, pixels: Pixels) -> tuple[str, Path]:
        key = hashlib.sha256(pixels.tobytes()).hexdigest()
        if key not in self.made:
            folder = self.folder / key
            folder.mkdir(parents=True)
            write_clip(folder / "clip.mkv", Frames(pixels, RATE))
            write_preview(folder / "clip.mkv", folder / "preview.mp4")
            self.made[key] = folder
        return key, self.made[key]

    def log(self) -> Path:
        file = self.folder / "1-030-take1-7f3a91bc-2.log"
        file.write_text("CUDA error: an illegal memory access was encountered", encoding="utf-8")
        return file

    def picture(self, colour: tuple[int, int, int]) -> Path:
        file = self.folder / f"picture-{colour}.png"
        self.folder.mkdir(exist_ok=True)
        Image.new("RGB", (SIZE.width, SIZE.height), colour).save(file)
        return file

    def take(self, pixels: Pixels, number: int = 1, *, chosen: bool = True, steps: str = "50") -> ReviewTake:
        key, folder = self.clip(pixels)
        return ReviewTake(
            number=number,
            key=key,
            seed=4201 if number == 1 else 2**53 + number,
            state="rendered",
            chosen=chosen,
            preview=folder / "preview.mp4",
            clip=folder / "clip.mkv",
            frames=len(pixels),
            prompt="河流，电影感",
            negative="文字",
            settings={**SETTINGS, "steps": steps},
            seconds=SECONDS,
            device="cuda:0 (NVIDIA H200)",
            why="never rendered",
        )


def missing(number: int = 1, *, chosen: bool = True) -> ReviewTake:
    return ReviewTake(
        number=number,
        key=f"{number:064x}",
        seed=4201,
        state="missing",
        chosen=chosen,
        preview=None,
        clip=None,
        frames=FRAMES,
        prompt="河流，电影感",
        negative="文字",
        settings=SETTINGS,
        seconds={},
        device="",
        why="",
    )


def a_shot(
    name: str,
    takes: Sequence[ReviewTake],
    *,
    start: int = 0,
    frames: int = 16,
    first: int = 0,
    hold: int = 0,
    what: str = "flf2v",
    action: str = "镜头下潜",
    keyframes: Sequence[tuple[str, Path]] = (),
    slate: str | None = None,
) -> ReviewShot:
    return ReviewShot(
        id=name,
        slugline="EXT. RIVER - DAY",
        action=action,
        notes="Keep the sun left.",
        what=what,
        model="wan2.1-flf2v-14b" if takes else None,
        start=start,
        frames=frames,
        first=first,
        last=first + frames - hold - 1,
        hold=hold,
        keyframes=tuple(keyframes),
        takes=tuple(takes),
        slate=slate,
    )


PASSED = Measurements(FRAMES, 0.01, {"black": 0.0, "cut": 1.0})


def five_shots(store: Store) -> tuple[ReviewShot, ...]:
    """Three takes, one take, a missing one, a still and a card; after eight frames of a title."""
    red, blue = ("river", store.picture(RED)), ("ruins", store.picture(BLUE))
    compared = (
        store.take(flat((150, 90, 30)), 1, chosen=False),
        store.take(flat(RED), 2),
        store.take(flat((30, 90, 150)), 3, chosen=False, steps="40"),
    )
    failed = replace(compared[0], judgement=judge(Measurements(FRAMES, 0.01, {"black": 7.0, "cut": 1.0})))
    compared = (failed, replace(compared[1], judgement=judge(PASSED)), compared[2])
    red_clip = compared[1].clip
    assert red_clip is not None
    seam = ReviewSeam("1/020", 8.25, ShownFrame(red_clip, 15), ShownFrame(red_clip, 0))
    return (
        replace(a_shot("1/010", compared, start=8, keyframes=(red, blue)), seam=seam),
        a_shot("1/020", (store.take(flat(GREEN)),), start=24, keyframes=(blue, red)),
        replace(a_shot("1/030", (missing(),), start=40, keyframes=(red, blue), slate=SLATE), log=store.log()),
        a_shot("2/010", (), start=56, what="still", keyframes=(blue,)),
        a_shot("2/020", (), start=72, what="card", action="完"),
    )


def a_review(folder: Path, shots: tuple[ReviewShot, ...], *, title: str = "江河与白鸽") -> Review:
    """A review of a film in `folder`. The colour of a frame is that of its shot's place."""
    frames = max(shot.start + shot.frames for shot in shots)
    return Review(
        title=title,
        slug="river-to-dove",
        version="v003",
        storyboard="storyboard.yaml",
        video=folder / "film.mp4",
        frames=frames,
        rate=RATE,
        delivery=Size(320, 180),
        backend="wan/1",
        preview="",
        made=datetime(2026, 11, 2, 7, 12, tzinfo=UTC),
        tool="wan-render 0.1.0",
        warnings=("river.yaml:31:9: keyframe ruins is enlarged 1.7 times",),
        shots=shots,
    )


def write_film(review: Review) -> None:
    """A real H.264 film as large as its delivery: grey before the shots, then red, green, blue, … by turns."""
    size = (review.delivery.width, review.delivery.height)
    colours = [GREY] * review.frames
    for number, shot in enumerate(review.shots):
        colours[shot.start : shot.start + shot.frames] = [(RED, GREEN, BLUE)[number % 3]] * shot.frames
    sink = imageio_ffmpeg.write_frames(review.video, size, fps=float(review.rate), macro_block_size=2)
    sink.send(None)
    for colour in colours:
        sink.send(np.full((size[1], size[0], 3), colour, np.uint8))
    sink.close()
