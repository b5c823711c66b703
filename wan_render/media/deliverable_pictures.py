"""Deliverables that are pictures: a sequence of PNGs, a poster, and films that loop without sound (GIF, WebP)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from wan_render.cut import Cut
from wan_render.errors import FfmpegError, Problem
from wan_render.media.deep_frames import deep_frames
from wan_render.media.deliverable_encode import ONE_THREAD, DeliverableWork, deep_graded, picture_input, send
from wan_render.media.ffmpeg import Ffmpeg, retry_if_killed, run
from wan_render.media.film_encode import LETTERING, working_folder
from wan_render.media.part_progress import OnDone
from wan_render.media.probe import url
from wan_render.store.disk import disk_errors

SOUND = "sound.wav"
"""The film's sound beside a sequence of pictures: PCM of 24 bits."""

WEBP_QUALITY = 85

_STILLS, _PALETTE, _LOOP = "pictures", "palette.png", "loop"
"""Names in ffmpeg's working folder: a path with % in it would be a pattern."""

_SRGB = {"color_primaries": "bt709", "color_trc": "iec61966-2-1", "colorspace": "gbr", "range": "pc"}


def write_sequence(work: DeliverableWork, target: Path, progress: OnDone) -> None:
    """Write every frame of the film into the new folder `target` as PNG, 8 bits, sRGB: `<folder>.000001.png` is the
    first. A film with sound has it in sound.wav. Raises the errors of `write_video`."""
    with disk_errors(target):
        target.mkdir()
    retry_if_killed(target.name, lambda: _write_stills(work, target, progress))
    if work.mix is not None:
        sound = ["-i", url(work.mix), "-c:a", "pcm_s24le", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
        run([*sound, "-f", "wav", "-y", url(target / SOUND)])


def _write_stills(work: DeliverableWork, target: Path, progress: OnDone) -> None:
    with working_folder(work.shown, {}, target) as folder:
        (folder / _STILLS).mkdir()
        send(work, _still_arguments(work, folder), folder, progress)
        made = sorted((folder / _STILLS).iterdir())
        _require(target, len(made), work.planned.frames)
        with disk_errors(target):
            for number, file in enumerate(made, start=1):
                file.rename(target / f"{target.name}.{number:06}.png")


def _still_arguments(work: DeliverableWork, folder: Path) -> list[str]:
    picture = _in_srgb(picture_input(work), work.shown, folder)
    return _arguments(picture, f"{_STILLS}/%06d.png", {"format": "image2", "vcodec": "png", "start_number": 1})


def write_poster(work: DeliverableWork, at: int, target: Path, progress: OnDone) -> None:
    """Write film frame `at` as a PNG, without subtitles. Raises the errors of `write_video`."""

    def write() -> None:
        cut = replace(work.shown, subtitles=None)
        with working_folder(cut, {}, target.parent) as folder:
            # Texts are drawn by their time.
            pictures = picture_input(work).filter("setpts", f"PTS+{float(at / cut.rate):.6f}/TB")
            options = {"format": "image2", "vcodec": "png", "update": 1, "frames:v": 1}
            arguments = _arguments(_in_srgb(pictures, cut, folder), f"{_LOOP}.png", options)
            with Ffmpeg(arguments, folder) as process:
                for picture in islice(deep_frames(work.cut, work.sources), at, at + 1):
                    process.write(picture)
                process.finish()
            _moved(folder / f"{_LOOP}.png", target)

    retry_if_killed(target.name, write)
    progress(1, 1)


def write_gif(work: DeliverableWork, target: Path, progress: OnDone) -> None:
    """Write a film that loops without end, with one palette of 256 colours for all of it. It is sent twice: first the
    palette is found. Raises the errors of `write_video`."""

    def palette(picture: Any) -> Any:
        return picture.filter("palettegen", stats_mode="full", reserve_transparent=0)

    def colours(picture: Any) -> Any:
        import ffmpeg as graph

        known = graph.input(_PALETTE)["v"]
        return graph.filter([picture, known], "paletteuse", dither="sierra2_4a", diff_mode="rectangle")

    def write() -> None:
        total = work.planned.frames
        with working_folder(work.shown, {}, target.parent) as folder:
            options = {"format": "image2", "vcodec": "png", "update": 1}
            send(
                work,
                _looped(work, folder, palette, _PALETTE, options),
                folder,
                lambda done, _: progress(done, 2 * total),
            )
            options = {"format": "gif", "loop": 0}
            arguments = _looped(work, folder, colours, _LOOP, options)
            send(work, arguments, folder, lambda done, _: progress(total + done, 2 * total))
            _moved(folder / _LOOP, target)

    retry_if_killed(target.name, write)


def write_webp(work: DeliverableWork, target: Path, progress: OnDone) -> None:
    """Write a film that loops without end as WebP. Raises the errors of `write_video`."""

    def write() -> None:
        options = {"format": "webp", "vcodec": "libwebp_anim", "quality": WEBP_QUALITY, "loop": 0}
        with working_folder(work.shown, {}, target.parent) as folder:
            send(work, _looped(work, folder, lambda picture: picture, _LOOP, options), folder, progress)
            _moved(folder / _LOOP, target)

    retry_if_killed(target.name, write)


def _looped(
    work: DeliverableWork, folder: Path, further: Callable[[Any], Any], name: str, options: dict[str, Any]
) -> list[str]:
    # WebP's own YUV is that of BT.601, which libwebp makes of RGB.
    return _arguments(further(_in_srgb(picture_input(work), work.shown, folder, "bgra")), name, options)


def _in_srgb(pictures: Any, cut: Cut, folder: Path, form: str = "rgb24") -> Any:
    graded = deep_graded(pictures, cut, lettered=(folder / LETTERING).exists(), form=form)
    return graded.filter("setparams", **_SRGB)


def _arguments(picture: Any, name: str, options: dict[str, Any]) -> list[str]:
    import ffmpeg as graph

    output = graph.output(picture, name, fflags="+bitexact", **{"flags:v": "+bitexact"}, **options)
    return [*ONE_THREAD, *graph.get_args(output, overwrite_output=True)]


def _moved(made: Path, target: Path) -> None:
    _require(target, int(made.exists()), 1)
    with disk_errors(target):
        made.replace(target)


def _require(target: Path, made: int, expected: int) -> None:
    if made != expected:
        problem = Problem(str(target), f"{made} files were written", f"{expected} expected", "please report this")
        raise FfmpegError(problem)
