"""Encode a deliverable as a video file: from the film's own frames, once, never from film.mp4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from wan_render.cut import Cut
from wan_render.media.ahead import ahead
from wan_render.media.colour_tags import tagged
from wan_render.media.deep_frames import deep_frames
from wan_render.media.deliverable_codecs import VIDEO_FORMS, sound_options, video_options
from wan_render.media.ffmpeg import Ffmpeg, retry_if_killed
from wan_render.media.ffmpeg_features import features
from wan_render.media.film_encode import (
    LETTERING,
    check_length,
    completed,
    frames_ahead,
    graded,
    sound_input,
    with_texts,
    working_folder,
)
from wan_render.media.geometry import fit
from wan_render.media.hidden_track import hide_subtitle_tracks
from wan_render.media.part_progress import OnDone
from wan_render.media.probe import url
from wan_render.media.raster import FilmSources, View, raster_frames
from wan_render.plan.deliverable import LIKE_THE_FILM, PlannedDeliverable
from wan_render.store.disk import disk_errors
from wan_render.take import Size

ONE_THREAD = ("-filter_complex_threads", "1")
"""For filters: each slice of several threads would begin the dithering anew, and their number is the machine's."""


@dataclass(frozen=True)
class DeliverableWork:
    """One deliverable of a cut, and all that it needs.

    view:  what it shows of each picture, and the size of that, for a crop; else None.
    mix:   the file of the film's sound; None for a silent film.
    timecode: of the first frame, `01:00:00:00`. reel: the name of the tape that a master stands for.
    """

    planned: PlannedDeliverable
    cut: Cut
    sources: FilmSources
    tags: Mapping[str, str] = field(default_factory=dict)
    view: tuple[View, Size] | None = None
    mix: Path | None = None
    timecode: str = "01:00:00:00"
    reel: str = ""

    @property
    def shown(self) -> Cut:
        """The cut with the size of its pictures, and that of the deliverable."""
        size = self.cut.size if self.view is None else self.view[1]
        fits = self.cut.fit if self.view is None else "cover"
        return replace(self.cut, size=size, delivery=self.planned.size, fit=fits)

    def frames(self) -> Iterator[Any]:
        """The frames of the deliverable, as they are sent to ffmpeg."""
        view = None if self.view is None else self.view[0]
        read = raster_frames if self.planned.form in LIKE_THE_FILM else deep_frames
        return islice(read(self.cut, self.sources, view), 0, None, int(self.cut.rate / self.planned.rate))


def write_video(work: DeliverableWork, target: Path, progress: OnDone) -> None:
    """Write a deliverable that is a video file. progress: called with the frames done and their total.

    BT.709, converted and tagged; square pixels, constant rate; chapters, or a timecode track and the reel; the tags of
    the film. Raises FfmpegError, DiskError, and MachineError for a clip that does not match the cut; any exception
    removes the partial file.
    """
    part = target.absolute().with_name(f"{target.stem}.part{target.suffix}")
    try:
        retry_if_killed(target.name, lambda: _encode(work, part, progress))
        with disk_errors(target):
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _encode(work: DeliverableWork, part: Path, progress: OnDone) -> None:
    cut = work.shown if VIDEO_FORMS[work.planned.form].has_chapters else _without_track(work.shown)
    with working_folder(cut, work.tags, part.parent) as folder:
        send(work, _arguments(work, cut, part, folder), folder, progress)
    check_length(part, work.planned.frames)
    is_both = cut.subtitles is not None and {"burned", "track"} <= set(cut.subtitles.forms)
    if is_both:
        with disk_errors(part):
            hide_subtitle_tracks(part)


def _without_track(cut: Cut) -> Cut:
    if cut.subtitles is None:
        return cut
    forms = tuple(form for form in cut.subtitles.forms if form != "track")
    return replace(cut, subtitles=replace(cut.subtitles, forms=forms))


def send(work: DeliverableWork, arguments: list[str], folder: Path, progress: OnDone) -> None:
    """Send every frame of a deliverable to an ffmpeg that runs in `folder`."""
    total = work.planned.frames
    with Ffmpeg(arguments, folder) as process, ahead(work.frames(), frames_ahead(work.shown.size)) as frames:
        for done, picture in enumerate(frames, start=1):
            process.write(picture)
            progress(done, total)
        process.finish()


def picture_input(work: DeliverableWork) -> Any:
    """The frames as an input of ffmpeg-python."""
    import ffmpeg as graph

    pixels = "bgr0" if work.planned.form in LIKE_THE_FILM else "gbrp16le"
    size, rate = str(work.shown.size), str(work.planned.rate)
    return graph.input("pipe:0", format="rawvideo", pix_fmt=pixels, s=size, r=rate)["v"]


def deep_graded(pictures: Any, cut: Cut, *, lettered: bool, form: str) -> Any:
    """The filters for frames of 16 bits: crop, scale, convert and dither in one pass, bars, text. form: ffmpeg's name
    of the pixel format; RGB stays RGB."""
    placing = fit(cut.size, cut.delivery, cut.fit)
    source, scaled = placing.source, placing.scaled
    if source.size != cut.size:
        pictures = pictures.filter("crop", source.size.width, source.size.height, source.left, source.top)
    to = {"matrix": "709", "range": "limited", "chromal": "left"} if form.startswith("yuv") else {"range": "full"}
    size = {"w": scaled.size.width, "h": scaled.size.height}
    pictures = pictures.filter("zscale", **size, rangein="full", filter="lanczos", dither="error_diffusion", **to)
    if not form.startswith("yuv"):  # zscale knows planes only; swscale then packs them, without another conversion
        pictures = pictures.filter("format", "gbrp")
    return completed(pictures.filter("format", form), placing, lettered=lettered)


def _arguments(work: DeliverableWork, cut: Cut, part: Path, folder: Path) -> list[str]:
    import ffmpeg as graph

    planned, form = work.planned, VIDEO_FORMS[work.planned.form]
    lettered, pictures = (folder / LETTERING).exists(), picture_input(work)
    if planned.form in LIKE_THE_FILM:
        picture = graded(pictures, cut, lettered=lettered, form=form.pixels)
    else:
        picture = tagged(deep_graded(pictures, cut, lettered=lettered, form=form.pixels))
    options = {
        "format": form.container,
        "map_metadata": 2,
        "movflags": "+faststart+use_metadata_tags",
        "fflags": "+bitexact",
        "t": f"{float(planned.frames / planned.rate):.6f}",
        **video_options(planned.form, planned.rate, features("encoders")),
        **sound_options(planned.form, silent=work.mix is None),
        **({"map_chapters": 2} if form.has_chapters else _as_a_master(work)),
    }
    output = graph.output(picture, sound_input(work.mix), url(part), **options)
    return [*ONE_THREAD, *with_texts(graph.get_args(output, overwrite_output=True), part, cut, folder)]


def _as_a_master(work: DeliverableWork) -> dict[str, Any]:
    """A timecode track that names the reel, and no chapters, which some programs show as a track of text."""
    return {"map_chapters": -1, "timecode": work.timecode, "metadata:s:v:0": f"reel_name={work.reel}"}
