"""Write an event of a cut as a ProRes 422 HQ file for an editor: scaled, lettered and converted as in the film."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from wan_render.cut import Cut
from wan_render.errors import FfmpegError, Problem
from wan_render.media import colour_tags
from wan_render.media.ffmpeg import Ffmpeg, retry_if_killed
from wan_render.media.film_encode import LETTERING, graded, place_letters
from wan_render.media.probe import probe, url
from wan_render.media.raster import FilmSources, raster_frames
from wan_render.render_values import Pixels
from wan_render.store.disk import disk_errors


def write_prores(
    cut: Cut, sources: FilmSources, rate: Fraction, reel: str, target: Path, progress: Callable[[int, int], None]
) -> None:
    """Write a film without sound to `target` (mov): ProRes 422 HQ, 4:2:2 with 10 bits, BT.709 converted and tagged,
    square pixels, a timecode track from 00:00:00:00 that names the reel.

    rate: frames per second of the file. Frame k shows the moment k / rate, so frames of the cut are repeated. progress:
    called with the frames done and their total. Raises FfmpegError, DiskError, and MachineError for a clip that does
    not match the cut; any exception removes the partial file.
    """
    part = target.absolute().with_name(target.name + ".part")
    try:
        retry_if_killed(target.name, lambda: _encode(cut, sources, rate, reel, part, progress))
        with disk_errors(target):
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def conformed_length(cut: Cut, rate: Fraction) -> int:
    """How many frames the file of a cut has: enough for every frame of the cut."""
    return ceil(cut.frames * rate / cut.rate)


def _conformed(cut: Cut, sources: FilmSources, rate: Fraction) -> Iterator[Pixels]:
    """The frames of the file: for each, the cut's frame at its moment."""
    number, ratio, total = 0, cut.rate / rate, conformed_length(cut, rate)
    for native, picture in enumerate(raster_frames(cut, sources)):
        while number < total and int(number * ratio) == native:
            yield picture
            number += 1


def _encode(
    cut: Cut, sources: FilmSources, rate: Fraction, reel: str, part: Path, progress: Callable[[int, int], None]
) -> None:
    total = conformed_length(cut, rate)
    with _working_folder(cut, part.parent) as folder, Ffmpeg(_arguments(cut, rate, reel, part, folder), folder) as run:
        for done, picture in enumerate(_conformed(cut, sources, rate), start=1):
            run.write(picture)
            progress(done, total)
        run.finish()
    if (frames := probe(part).frames) != total:
        raise FfmpegError(Problem(str(part), f"has {frames} frames", f"{total} were sent", "please report this"))


@contextmanager
def _working_folder(cut: Cut, parent: Path) -> Iterator[Path]:
    """A private folder with the text that is burned in, and its fonts."""
    with disk_errors(parent):
        folder = Path(tempfile.mkdtemp(prefix=".prores-", dir=parent))
    try:
        place_letters(folder, cut)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _arguments(cut: Cut, rate: Fraction, reel: str, part: Path, folder: Path) -> list[str]:
    import ffmpeg as graph

    pictures = graph.input("pipe:0", format="rawvideo", pix_fmt="bgr0", s=str(cut.size), r=str(rate))["v"]
    picture = graded(pictures, cut, lettered=(folder / LETTERING).exists(), form="yuv422p10le")
    output = graph.output(picture, url(part), **_prores(reel))
    arguments: list[str] = graph.get_args(output, overwrite_output=True)
    return arguments


def _prores(reel: str) -> dict[str, Any]:
    colours = {name: value for name, value in colour_tags.TAGS.items() if name != "bsf:v"}
    return {
        "format": "mov",
        "vcodec": "prores_ks",
        "profile:v": "hq",
        "vendor": "apl0",
        "timecode": "00:00:00:00",
        "metadata:s:v:0": f"reel_name={reel}",
        "fflags": "+bitexact",
        "flags:v": "+bitexact",
        **colours,
    }
