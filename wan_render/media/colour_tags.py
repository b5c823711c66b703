"""BT.709: converted, chroma placed, and tagged.

Plain `-pix_fmt yuv420p` writes untagged BT.601 pixels: up to 39/255 off in an HD player. Tags alone make it worse on
ffmpeg 4 and 7. Only conversion and tags together are right on 4, 7 and 9.

The same is true of chroma siting. In H.264 the default is "left": aligned with the even columns of luma, halfway
between two rows (ITU-T H.264, E.2.1, chroma_sample_loc_type 0). swscale's default is the centre of four luma samples,
half a pixel further right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCURATE = "accurate_rnd+full_chroma_int+full_chroma_inp"
"""swscale without shortcuts in rounding and chroma."""

LEFT: Mapping[str, int] = {"out_h_chr_pos": 0, "out_v_chr_pos": 128}
"""Where `scale` puts a chroma sample, in 256ths of a luma pixel from the upper left of its four pixels."""

TAGS: Mapping[str, str] = {
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "colorspace": "bt709",
    "color_range": "tv",
    "chroma_sample_location": "left",
    # libx264 does not write "left", since it is the default. This does.
    "bsf:v": "h264_metadata=chroma_sample_loc_type=0",
}
"""Output options that write the tags into the stream."""


def converted(
    stream: Any,
    *,
    kernel: str = "bicubic",
    width: int | None = None,
    height: int | None = None,
    form: str = "yuv420p",
) -> Any:
    """An RGB stream of ffmpeg-python as BT.709 in TV range with left chroma, scaled by `kernel` in the same pass. form:
    ffmpeg's name of the pixel format."""
    size = {} if width is None else {"w": width, "h": height}
    how = {"in_range": "pc", "out_range": "tv", "out_color_matrix": "bt709", "flags": f"{kernel}+{ACCURATE}"}
    return stream.filter("scale", **size, **LEFT, **how).filter("format", form)


def tagged(stream: Any) -> Any:
    """A converted stream whose frames carry the tags. The encoder reads them there or from TAGS."""
    return stream.filter("setparams", color_primaries="bt709", color_trc="bt709", colorspace="bt709", range="tv")
