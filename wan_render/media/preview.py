"""A small copy of a clip for browsers, none of which plays FFV1."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from wan_render.media import colour_tags
from wan_render.media.ffmpeg import retry_if_killed, run
from wan_render.media.probe import probe, url
from wan_render.store.disk import disk_errors


def write_preview(clip: Path, target: Path) -> None:
    """Write `target` (mp4: H.264, yuv420p, BT.709, fast start) from a clip, at its size and rate.

    The file is written atomically, and retried if ffmpeg is killed. Raises FfmpegError, DiskError, and MachineError if
    the clip cannot be read.
    """
    part = target.with_name(target.name + ".part")
    arguments = _arguments(clip, part, str(probe(clip).rate))
    try:
        retry_if_killed(f"the preview {target}", lambda: run(arguments))
        with disk_errors(target):
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _arguments(clip: Path, part: Path, rate: str) -> list[str]:
    import ffmpeg as graph

    # `-r` before the input: frames are counted, and Matroska's milliseconds are ignored.
    picture = colour_tags.tagged(colour_tags.converted(graph.input(url(clip), r=rate)["v"]))
    output = graph.output(
        picture,
        url(part),
        format="mp4",
        vcodec="libx264",
        preset="veryfast",
        crf=23,
        movflags="+faststart",
        **colour_tags.TAGS,
    )
    arguments: list[str] = graph.get_args(output, overwrite_output=True)
    return arguments
