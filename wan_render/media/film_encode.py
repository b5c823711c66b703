"""Encode a cut as a film: frames are piped once, at the raster, into one ffmpeg that scales, letters and encodes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wan_render.authored.languages import three_letters
from wan_render.cut import Cut
from wan_render.errors import FfmpegError, Problem
from wan_render.media import colour_tags
from wan_render.media.ahead import ahead
from wan_render.media.chapters import ffmetadata
from wan_render.media.ffmpeg import Ffmpeg, retry_if_killed
from wan_render.media.fonts import font_file
from wan_render.media.geometry import Placement, fit
from wan_render.media.hidden_track import hide_subtitle_tracks
from wan_render.media.lettering import further_fonts, script
from wan_render.media.probe import probe, url
from wan_render.media.raster import FilmSources, raster_frames
from wan_render.media.subtitle_blocks import subtitle_blocks
from wan_render.media.subtitle_files import srt
from wan_render.store.disk import disk_errors
from wan_render.take import Size

__all__ = ["FilmSources", "make_film"]

AHEAD_BYTES = 64 * 1024**2
AHEAD_FRAMES = 16
"""How far frames are decoded ahead of the encoder: the smaller of the two limits."""

LETTERING, FONTS, METADATA, TRACK = "lettering.ass", "fonts", "metadata.txt", "subtitles.srt"
"""Names in ffmpeg's working folder, so that no path and no user's text enters a filter string."""

SECONDS_BETWEEN_KEYFRAMES = 5

MIX_BITRATE = "256k"
"""Of AAC. Silence needs none, so silent films keep ffmpeg's own."""

OnProgress = Callable[[int, int], None]


def make_film(
    cut: Cut,
    sources: FilmSources,
    target: Path,
    *,
    tags: Mapping[str, str],
    progress: OnProgress,
    mix: Path | None = None,
) -> None:
    """Write the film of a cut to `target` (mp4). `progress(done, total)` is called for every film frame.

    mix: the file of its sound, as long as the film; None for a silent film, which gets a silent track.
    H.264 (x264 medium, CRF 18, closed GOPs), yuv420p BT.709 with left chroma, converted and tagged, square pixels,
    constant rate, AAC (48 kHz, stereo), a chapter per shot, `tags` and the title, fast start. The file is written
    atomically. Any exception, also one from `progress`, ends ffmpeg and removes the partial file.
    Raises FfmpegError, DiskError, and MachineError for a clip that does not match the cut.
    """
    if not cut.events:
        raise ValueError("a film needs at least one event")
    part = target.absolute().with_name(target.name + ".part")
    try:
        retry_if_killed("the film", lambda: _encode(cut, sources, part, tags, progress, mix))
        with disk_errors(target):
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _encode(
    cut: Cut, sources: FilmSources, part: Path, tags: Mapping[str, str], progress: OnProgress, mix: Path | None
) -> None:
    with (
        working_folder(cut, tags, part.parent) as folder,
        Ffmpeg(_arguments(cut, part, folder, mix), folder) as process,
    ):
        _feed(process, cut, sources, progress)
    check_length(part, cut.frames)
    if cut.subtitles is not None and {"burned", "track"} <= set(cut.subtitles.forms):
        with disk_errors(part):
            hide_subtitle_tracks(part)


def _feed(process: Ffmpeg, cut: Cut, sources: FilmSources, progress: OnProgress) -> None:
    total = cut.frames
    with ahead(raster_frames(cut, sources), frames_ahead(cut.size)) as frames:
        for done, picture in enumerate(frames, start=1):
            process.write(picture)
            progress(done, total)
    process.finish()


def frames_ahead(size: Size) -> int:
    """How many frames of a size are decoded ahead."""
    return max(2, min(AHEAD_FRAMES, AHEAD_BYTES // (size.width * size.height * 4)))


def check_length(part: Path, expected: int) -> None:
    """Raise FfmpegError unless a video file has as many frames as were sent."""
    if not part.exists():
        raise FfmpegError(Problem("ffmpeg", "succeeded but wrote no file", "", "set or unset WAN_RENDER_FFMPEG"))
    frames = probe(part).frames
    if frames != expected:
        raise FfmpegError(Problem(str(part), f"has {frames} frames", f"{expected} were sent", "please report this"))


@contextmanager
def working_folder(cut: Cut, tags: Mapping[str, str], parent: Path) -> Iterator[Path]:
    """A private folder with the files that ffmpeg reads besides the pictures."""
    with disk_errors(parent):
        folder = Path(tempfile.mkdtemp(prefix=".film-", dir=parent))
    try:
        _fill(folder, cut, tags)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(folder: Path, cut: Cut, tags: Mapping[str, str]) -> None:
    with disk_errors(folder):
        (folder / METADATA).write_text(ffmetadata(cut, tags), encoding="utf-8", newline="")
        if (track := _track_file(cut)) is not None:
            (folder / TRACK).write_text(track, encoding="utf-8", newline="")
    place_letters(folder, cut)


def place_letters(folder: Path, cut: Cut) -> None:
    """Write the texts of a cut and their fonts into ffmpeg's working folder, if it has texts."""
    lettering = script(cut)
    with disk_errors(folder):
        if lettering is not None:
            (folder / LETTERING).write_text(lettering, encoding="utf-8", newline="")
            _place_fonts(folder / FONTS, [font_file(), *(face.file for face in further_fonts(cut))])


def _track_file(cut: Cut) -> str | None:
    """The SubRip file that becomes the subtitle track."""
    if cut.subtitles is None or "track" not in cut.subtitles.forms:
        return None
    return srt(subtitle_blocks(cut.subtitles.cues, cut.delivery))


def _place_fonts(folder: Path, files: Iterable[Path]) -> None:
    """Put the fonts of the film into a folder, the base font under its own name."""
    folder.mkdir()
    for number, source in enumerate(dict.fromkeys(files)):
        place = folder / (f"{number:03}{source.suffix}" if number else source.name)
        try:
            place.symlink_to(source.absolute())
        except OSError:  # a file system without links
            shutil.copyfile(source, place)


def _arguments(cut: Cut, part: Path, folder: Path, mix: Path | None) -> list[str]:
    import ffmpeg as graph

    pictures = graph.input("pipe:0", format="rawvideo", pix_fmt="bgr0", s=str(cut.size), r=str(cut.rate))["v"]
    picture = graded(pictures, cut, lettered=(folder / LETTERING).exists())
    output = graph.output(picture, sound_input(mix), url(part), **_delivery(cut), **_sound_quality(mix))
    return with_texts(graph.get_args(output, overwrite_output=True), part, cut, folder)


def sound_input(mix: Path | None) -> Any:
    """The sound of a film as an input of ffmpeg-python; silence without a mix."""
    import ffmpeg as graph

    if mix is None:
        return graph.input("anullsrc=channel_layout=stereo:sample_rate=48000", format="lavfi")["a"]
    return graph.input(url(mix), format="wav")["a"]


def with_texts(arguments: list[str], part: Path, cut: Cut, folder: Path) -> list[str]:
    """The arguments for `part`, with the film's metadata as the third input, and its subtitle track if it has one."""
    # The third input has metadata only: ffmpeg-python cannot express an input without a stream.
    inputs, end = arguments.index("-filter_complex"), arguments.index(url(part))
    further = ["-f", "ffmetadata", "-i", METADATA]
    if not (folder / TRACK).exists():
        return [*arguments[:inputs], *further, *arguments[inputs:]]
    track = _track(cut, arguments.count("-i") + 1)
    return [*arguments[:inputs], *further, "-f", "srt", "-i", TRACK, *arguments[inputs:end], *track, *arguments[end:]]


def _track(cut: Cut, number: int) -> list[str]:
    """What makes a subtitle track of input `number`."""
    options = {
        "map": f"{number}:s:0",
        "c:s": "mov_text",
        "metadata:s:s:0": f"language={three_letters(cut.language)}",
    }
    return [part for option, value in options.items() for part in (f"-{option}", value)]


def graded(pictures: Any, cut: Cut, *, lettered: bool, form: str = "yuv420p") -> Any:
    """The filters: crop, scale and convert in one pass, bars, text, tags. form: ffmpeg's name of the pixel format."""
    placing = fit(cut.size, cut.delivery, cut.fit)
    source, scaled = placing.source, placing.scaled
    if source.size != cut.size:
        pictures = pictures.filter("crop", source.size.width, source.size.height, source.left, source.top)
    pictures = colour_tags.converted(
        pictures, kernel="lanczos", width=scaled.size.width, height=scaled.size.height, form=form
    )
    return colour_tags.tagged(completed(pictures, placing, lettered=lettered))


def completed(pictures: Any, placing: Placement, *, lettered: bool) -> Any:
    """Scaled pictures with bars and texts, and square pixels."""
    size, scaled = placing.delivery, placing.scaled
    if scaled.size != size:
        pictures = pictures.filter("pad", size.width, size.height, scaled.left, scaled.top, "black")
    if lettered:
        pictures = pictures.filter("ass", filename=LETTERING, fontsdir=FONTS)
    return pictures.filter("setsar", 1)


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


def _sound_quality(mix: Path | None) -> dict[str, Any]:
    return {} if mix is None else {"audio_bitrate": MIX_BITRATE}
