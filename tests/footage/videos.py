"""Video files of the tests. Each frame has a grey of its own, so that it is known again in a film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from wan_render.media.clip import read_frames, write_pictures
from wan_render.media.ffmpeg import run
from wan_render.take import Size

SIZE = Size(96, 72)
NTSC = Fraction(30000, 1001)


def grey(at: int) -> int:
    return 30 + 3 * at


def greys(file: Path, count: int) -> list[int]:
    """The frame that each picture of a clip shows, by its grey in the middle."""
    frames = read_frames(file, 0, count)
    return [round((float(frame[20:28, 28:36].mean()) - 30) / 3) for frame in frames]


def video(target: Path, *options: str, frames: int = 30, rate: Fraction = NTSC, size: Size = SIZE) -> Path:
    """A video of greys, written by ffmpeg with these options."""
    source = target.with_suffix(".source.mkv")
    pictures = (np.full((size.height, size.width, 3), grey(at), np.uint8) for at in range(frames))
    write_pictures(source, pictures, size, rate)
    colours = ("-vf", "scale=out_color_matrix=bt709", "-pix_fmt", "yuv420p", "-colorspace", "bt709")
    quality = ("-c:v", "libx264", "-qp", "0", "-bf", "0", "-preset", "ultrafast")
    run(["-i", str(source), *(options or (*colours, *quality)), "-y", str(target)])
    source.unlink()
    return target
