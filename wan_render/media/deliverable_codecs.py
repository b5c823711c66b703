"""What ffmpeg is told for each form of video file: container, codec, sound."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from wan_render.authored import DeliverableForm
from wan_render.media import colour_tags
from wan_render.media.film_encode import MIX_BITRATE, SECONDS_BETWEEN_KEYFRAMES
from wan_render.plan.deliverable import encoder_of

X265_THREADS = 2
"""Frames that x265 codes at once. Its result depends on this number, so it does not follow the machine's cores."""

_FOR_EYES = "tune=0:enable-variance-boost=1"
"""SVT-AV1 for what people see, not for PSNR, with more bits where little happens: dark ramps keep their dither."""

AAC = {"acodec": "aac", "ar": 48000, "ac": 2}
PCM = {"acodec": "pcm_s24le", "ar": 48000, "ac": 2}


@dataclass(frozen=True)
class VideoForm:
    """How a form of video file is written.

    suffix: of its file. container: ffmpeg's name. pixels: ffmpeg's name of the pixel format. has_chapters: whether
    players get chapters and a subtitle track; masters get a timecode track instead.
    """

    suffix: str
    container: str
    pixels: str
    has_chapters: bool = True


MP4, MOV = "mp4", "mov"

VIDEO_FORMS: Mapping[DeliverableForm, VideoForm] = {
    "hevc10": VideoForm(".mp4", MP4, "yuv420p10le"),
    "av1": VideoForm(".mp4", MP4, "yuv420p10le"),
    "prores422hq": VideoForm(".mov", MOV, "yuv422p10le", has_chapters=False),
    "prores4444": VideoForm(".mov", MOV, "yuv444p10le", has_chapters=False),
    "preview": VideoForm(".mp4", MP4, "yuv420p"),
    "square": VideoForm(".mp4", MP4, "yuv420p"),
    "vertical": VideoForm(".mp4", MP4, "yuv420p"),
}


def video_options(form: DeliverableForm, rate: Fraction, encoders: Collection[str]) -> dict[str, Any]:
    """Output options of the picture. encoders: those of this ffmpeg."""
    group = max(1, round(rate * SECONDS_BETWEEN_KEYFRAMES))
    tags = {name: value for name, value in colour_tags.TAGS.items() if name != "bsf:v"}
    match form:
        case "hevc10":
            return _hevc(group) | tags | {"bsf:v": "hevc_metadata=chroma_sample_loc_type=0"}
        case "av1":
            return _av1(group, encoder_of(form, encoders)) | tags
        case "prores422hq" | "prores4444":
            # Its chroma is sited as MPEG-2's, and it has no tag for that.
            return _prores("hq" if form == "prores422hq" else "4444") | tags
        case "preview":
            return _h264(group, crf=26) | dict(colour_tags.TAGS)
        case _:
            return _h264(group, crf=18) | dict(colour_tags.TAGS)


def sound_options(form: DeliverableForm, *, silent: bool) -> dict[str, Any]:
    """Output options of the sound: PCM of 24 bits for masters, AAC for the others."""
    if not VIDEO_FORMS[form].has_chapters:
        return dict(PCM)
    bitrate = "96k" if form == "preview" else MIX_BITRATE
    return AAC | ({} if silent else {"audio_bitrate": bitrate})


def _h264(group: int, crf: int) -> dict[str, Any]:
    return {"vcodec": "libx264", "preset": "medium", "crf": crf, "flags": "+cgop", "g": group}


def _hevc(group: int) -> dict[str, Any]:
    own = f"keyint={group}:open-gop=0:frame-threads={X265_THREADS}:chromaloc=0:log-level=error"
    return {"vcodec": "libx265", "preset": "medium", "crf": 18, "x265-params": own, "tag:v": "hvc1"}


def _av1(group: int, encoder: str) -> dict[str, Any]:
    if encoder == "libsvtav1":
        return {"vcodec": encoder, "preset": 6, "crf": 20, "g": group, "svtav1-params": _FOR_EYES}
    return {"vcodec": encoder, "cpu-used": 5, "row-mt": 1, "crf": 20, "video_bitrate": 0, "g": group}


def _prores(profile: str) -> dict[str, Any]:
    return {"vcodec": "prores_ks", "profile:v": profile, "vendor": "apl0"}
