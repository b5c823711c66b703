"""What a finished video file contains, by its headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from wan_render.media.probe import opened
from wan_render.take import Size

if TYPE_CHECKING:
    from av.container import InputContainer


@dataclass(frozen=True)
class Chapter:
    """A named interval [start, end) in seconds."""

    title: str
    start: Fraction
    end: Fraction


@dataclass(frozen=True)
class WholeFacts:
    """All that tests ask of a video file's headers.

    frames: of the video stream; 0 if the container does not count them (Matroska). rate: frames per second.
    seconds: of the container, to the microsecond.
    """

    size: Size
    rate: Fraction
    frames: int
    seconds: Fraction
    codec: str
    pixel_format: str
    audio: str
    tags: Mapping[str, str]
    chapters: tuple[Chapter, ...]


def probe(file: Path) -> WholeFacts:
    """Read the headers of a video file. Raises the errors of `opened`."""
    with opened(file) as container:
        return _facts(container)


def _facts(container: InputContainer) -> WholeFacts:
    stream = container.streams.video[0]
    audio = container.streams.audio
    return WholeFacts(
        size=Size(stream.codec_context.width, stream.codec_context.height),
        rate=stream.average_rate or Fraction(0),
        frames=stream.frames,
        seconds=Fraction(container.duration or 0, 1_000_000),
        codec=stream.codec_context.name,
        pixel_format=stream.codec_context.pix_fmt or "",
        audio=audio[0].codec_context.name if audio else "",
        tags=MappingProxyType(dict(container.metadata)),
        chapters=tuple(_chapters(container)),
    )


def _chapters(container: InputContainer) -> list[Chapter]:
    return [
        Chapter(
            chapter["metadata"].get("title", ""),
            chapter["start"] * chapter["time_base"],
            chapter["end"] * chapter["time_base"],
        )
        for chapter in container.chapters()
        if chapter["time_base"] is not None
    ]
