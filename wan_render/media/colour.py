"""BT.709, converted and tagged.

Plain `-pix_fmt yuv420p` writes untagged BT.601 pixels: up to 39/255 off in an HD player. Tags alone make it
worse on ffmpeg 4 and 7. Right on 4, 7 and 9 are only both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCURATE = "accurate_rnd+full_chroma_int+full_chroma_inp"
"""swscale without its shortcuts in rounding and chroma."""

TAGS: Mapping[str, str] = {
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "colorspace": "bt709",
    "color_range": "tv",
}
"""Output options that write the tags into the stream."""


def converted(stream: Any, *, kernel: str = "bicubic", width: int | None = None, height: int | None = None) -> Any:
    """An RGB stream of ffmpeg-python as yuv420p BT.709 in TV range, scaled by `kernel` in the same pass."""
    size = {} if width is None else {"w": width, "h": height}
    return stream.filter(
        "scale",
        **size,
        in_range="pc",
        out_range="tv",
        out_color_matrix="bt709",
        flags=f"{kernel}+{ACCURATE}",
    ).filter("format", "yuv420p")


def tagged(stream: Any) -> Any:
    """A converted stream whose frames carry the tags; the encoder takes them from there or from TAGS."""
    return stream.filter("setparams", color_primaries="bt709", color_trc="bt709", colorspace="bt709", range="tv")
