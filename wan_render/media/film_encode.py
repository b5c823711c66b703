"""Encode a cut as a film: frames are piped once, at the raster, into one ffmpeg that scales, letters and encodes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wan_render.cut import Cut
from wan_render.errors import FfmpegError, Problem
from wan_render.media import colour_tags
from wan_render.media.ahead import ahead
from wan_render.media.chapters import ffmetadata
from wan_render.media.ffmpeg import Ffmpeg, retry_if_killed
from wan_render.media.geometry import fit
from wan_render.media.lettering import script
from wan_render.media.probe import probe, url
from wan_render.media.raster import FilmSources, raster_frames
from wan_render.media.text import font_file
from wan_render.store.disk import disk_errors
from wan_render.take import Size

__all__ = ["FilmSources", "make_film"]

AHEAD_BYTES = 64 * 1024**2
AHEAD_FRAMES = 16
"""How far frames are decoded ahead of the encoder: the smaller of the two limits."""

LETTERING, FONTS, METADATA = "lettering.ass", "fonts", "metadata.txt"
"""Names in ffmpeg's working folder, so that no path and no user's text enters a filter string."""

SECONDS_BETWEEN_KEYFRAMES = 5

OnProgress = Callable[[int, int], None]


def make_film(cut: Cut, sources: FilmSources, target: Path, *, tags: Mapping[str, str], progress: OnProgress) -> None:
    """Write the film of a cut to `target` (mp4). `progress(done, total)` is called for every film frame.

    H.264 (x264 medium, CRF 18, closed GOPs), yuv420p BT.709 with left chroma, converted and tagged, square pixels,
    constant rate, a silent AAC track, a chapter per shot, `tags` and the title, fast start. The file is written
    atomically. Any exception, also one from `progress`, ends ffmpeg and removes the partial file.
    Raises FfmpegError, DiskError, and MachineError for a clip that does not match the cut.
    """
    if not cut.events:
        raise ValueError("a film needs at least one event")
    part = target.absolute().with_name(target.name + ".part")
    try:
        retry_if_killed("the film", lambda: _encode(cut, sources, part, tags, progress))
        with disk_errors(target):
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _encode(cut: Cut, sources: FilmSources, part: Path, tags: Mapping[str, str], progress: OnProgress) -> None:
    with _working_folder(cut, tags, part.parent) as folder, Ffmpeg(_arguments(cut, part, folder), folder) as process:
        _feed(process, cut, sources, progress)
    _check_length(part, cut)


def _feed(process: Ffmpeg, cut: Cut, sources: FilmSources, progress: OnProgress) -> None:
    total = cut.frames
    with ahead(raster_frames(cut, sources), _depth(cut.size)) as frames:
        for done, picture in enumerate(frames, start=1):
            process.write(picture)
            progress(done, total)
    process.finish()


def _depth(size: Size) -> int:
    return max(2, min(AHEAD_FRAMES, AHEAD_BYTES // (size.width * size.height * 4)))


def _check_length(part: Path, cut: Cut) -> None:
    if not part.exists():
        raise FfmpegError(Problem("ffmpeg", "succeeded but wrote no file", "", "set or unset WAN_RENDER_FFMPEG"))
    frames = probe(part).frames
    if frames != cut.frames:
        raise FfmpegError(Problem(str(part), f"has {frames} frames", f"{cut.frames} were sent", "please report this"))


@contextmanager
def _working_folder(cut: Cut, tags: Mapping[str, str], parent: Path) -> Iterator[Path]:
    """A private folder with the files that ffmpeg reads besides the pictures."""
    with disk_errors(parent):
        folder = Path(tempfile.mkdtemp(prefix=".film-", dir=parent))
    try:
        _fill(folder, cut, tags)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(folder: Path, cut: Cut, tags: Mapping[str, str]) -> None:
    lettering = script(cut)
    with disk_errors(folder):
        (folder / METADATA).write_text(ffmetadata(cut, tags), encoding="utf-8", newline="")
        if lettering is not None:
            (folder / LETTERING).write_text(lettering, encoding="utf-8", newline="")
            _place_font(folder / FONTS)


def _place_font(folder: Path) -> None:
    folder.mkdir()
    source = font_file()
    try:
        (folder / source.name).symlink_to(source)
    except OSError:  # a file system without links
        shutil.copyfile(source, folder / source.name)


def _arguments(cut: Cut, part: Path, folder: Path) -> list[str]:
    import ffmpeg as graph

    pictures = graph.input("pipe:0", format="rawvideo", pix_fmt="bgr0", s=str(cut.size), r=str(cut.rate))["v"]
    silence = graph.input("anullsrc=channel_layout=stereo:sample_rate=48000", format="lavfi")["a"]
    picture = _graded(pictures, cut, lettered=(folder / LETTERING).exists())
    output = graph.output(picture, silence, url(part), **_delivery(cut))
    arguments: list[str] = graph.get_args(output, overwrite_output=True)
    # The third input has metadata only: ffmpeg-python cannot express an input without a stream.
    inputs = arguments.index("-filter_complex")
    return [*arguments[:inputs], "-f", "ffmetadata", "-i", METADATA, *arguments[inputs:]]


def _graded(pictures: Any, cut: Cut, *, lettered: bool) -> Any:
    """The filters: crop, scale and convert in one pass, bars, text, tags."""
    placing = fit(cut.size, cut.delivery, cut.fit)
    source, scaled = placing.source, placing.scaled
    if source.size != cut.size:
        pictures = pictures.filter("crop", source.size.width, source.size.height, source.left, source.top)
    pictures = colour_tags.converted(pictures, kernel="lanczos", width=scaled.size.width, height=scaled.size.height)
    if scaled.size != cut.delivery:
        pictures = pictures.filter("pad", cut.delivery.width, cut.delivery.height, scaled.left, scaled.top, "black")
    if lettered:
        pictures = pictures.filter("ass", filename=LETTERING, fontsdir=FONTS)
    return colour_tags.tagged(pictures.filter("setsar", 1))


def _delivery(cut: Cut) -> dict[str, Any]:
    return {
        "format": "mp4",
        "map_metadata": 2,
        "map_chapters": 2,
        "vcodec": "libx264",
        "preset": "medium",
        "crf": 18,
        "flags": "+cgop",
        "g": max(1, round(cut.rate * SECONDS_BETWEEN_KEYFRAMES)),
        "acodec": "aac",
        "ar": 48000,
        "ac": 2,
        "t": f"{float(cut.frames / cut.rate):.6f}",
        "movflags": "+faststart+use_metadata_tags",
        **colour_tags.TAGS,
    }
