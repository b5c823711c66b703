"""A small copy of a clip that browsers play: none plays FFV1."""

from __future__ import annotations

from pathlib import Path

from wan_render.media import colour
from wan_render.media.ffmpeg import run
from wan_render.media.probe import probe


def write_preview(clip: Path, target: Path) -> None:
    """Write `target` (mp4: H.264, yuv420p, BT.709, fast start) from a clip, at its size and rate.

    The file appears whole. Raises MachineError where the clip cannot be read, FfmpegError, DiskError.
    """
    part = target.with_name(target.name + ".part")
    try:
        run(_arguments(clip.absolute(), part.absolute(), str(probe(clip).rate)))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _arguments(clip: Path, part: Path, rate: str) -> list[str]:
    import ffmpeg as graph

    # `-r` before the input counts frames and ignores Matroska's milliseconds.
    picture = colour.tagged(colour.converted(graph.input(f"file:{clip}", r=rate)["v"]))
    output = graph.output(
        picture,
        f"file:{part}",
        format="mp4",
        vcodec="libx264",
        preset="veryfast",
        crf=23,
        movflags="+faststart",
        **colour.TAGS,
    )
    arguments: list[str] = graph.get_args(output, overwrite_output=True)
    return arguments
