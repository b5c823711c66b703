"""A timeline as MLT XML, which melt, Kdenlive and Shotcut read.

Written by hand: the adapter of opentimelineio (0.3.0) knows no raster, its dissolves begin with a frame of the first
clip alone, where the film's mix from the first frame on, and it has no fades. Checked with melt 7.12.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import gcd
from xml.etree import ElementTree as Xml

from wan_render.editors.editor_timeline import EditorClip, EditorMedia, EditorTimeline
from wan_render.printable import one_line

BLACK = "black"
LONGEST_BLACK = 100_000
"""Frames of the producer of black: longer than any fade."""


def mlt_text(timeline: EditorTimeline) -> str:
    """The text of a .mlt file. Paths of media are relative to it. Every media needs a file."""
    document = _Document(timeline)
    Xml.indent(document.root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(document.root, encoding="unicode") + "\n"


@dataclass
class _Document:
    """The elements in the order in which MLT needs them: what is used comes before its user.

    A dissolve or fade is a tractor that mixes two playlists. MLT's `luma` mixes frame i of n with the weight i / n.
    """

    timeline: EditorTimeline
    producers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = Xml.Element("mlt", LC_NUMERIC="C", title=one_line(self.timeline.name), producer="film")
        self.root.append(_profile(self.timeline))
        clips = self.timeline.clips
        entries: list[Xml.Element] = []
        before = 0
        for clip, following in zip(clips, (*clips[1:], None), strict=True):
            entries += self._own_entries(clip, before)
            if clip.dissolve and following is not None:
                entries.append(self._dissolve(clip, following))
            before = clip.dissolve
        self._playlist("V1", entries)
        film = Xml.SubElement(self.root, "tractor", {"id": "film", "in": "0", "out": str(self.timeline.frames - 1)})
        Xml.SubElement(film, "track", producer="V1")
        self._add_sounds(film)

    def _add_sounds(self, film: Xml.Element) -> None:
        """A track for each lane of sounds, hidden as a picture, which is added to the others."""
        for number, sounds in enumerate(self.timeline.lanes.values(), start=1):
            lane, at = Xml.Element("playlist", id=f"A{number}"), 0
            for sound in sounds:
                if sound.start > at:
                    Xml.SubElement(lane, "blank", length=str(sound.start - at))
                lane.append(_entry(self._producer(sound.media), 0, sound.frames))
                at = sound.end
            self.root.append(lane)
            Xml.SubElement(film, "track", producer=f"A{number}", hide="video")
        for number in range(1, len(self.timeline.lanes) + 1):
            mix = Xml.SubElement(film, "transition")
            _properties(mix, a_track="0", b_track=str(number), mlt_service="mix", always_active="1", sum="1")
        self.root.remove(film)
        self.root.append(film)

    def _own_entries(self, clip: EditorClip, before: int) -> Iterator[Xml.Element]:
        """The frames of a clip between its dissolves. before: the frames of the dissolve that it begins with."""
        first, end = max(before, clip.fade_in), clip.frames - max(clip.dissolve, clip.fade_out)
        if clip.fade_in:
            yield self._fade_in(clip)
        yield from self._entries(clip, first, end)
        if clip.fade_out:
            yield from self._fade_out(clip)

    def _fade_in(self, clip: EditorClip) -> Xml.Element:
        """From black: frame i of n has the weight i / n."""
        frames = clip.fade_in
        return _entry(self._mix([self._black(frames)], self._entries(clip, 0, frames), frames), 0, frames)

    def _fade_out(self, clip: EditorClip) -> Iterator[Xml.Element]:
        """To black: the last frame is black, and the others are mixed as if the fade began one frame earlier."""
        frames = clip.fade_out
        if frames > 1:
            leaving = self._entries(clip, clip.frames - frames, clip.frames - 1)
            yield _entry(self._mix([_blank(), *leaving], [self._black(frames)], frames), 1, frames - 1)
        yield self._black(1)

    def _dissolve(self, clip: EditorClip, following: EditorClip) -> Xml.Element:
        """From a clip to the next: frame i of n has the weight (i + 1) / (n + 1)."""
        frames = clip.dissolve
        leaving = self._entries(clip, clip.frames - frames, clip.frames)
        arriving = self._entries(following, 0, frames)
        return _entry(self._mix([_blank(), *leaving], [_blank(), *arriving], frames + 1), 1, frames)

    def _mix(self, below: Iterable[Xml.Element], above: Iterable[Xml.Element], frames: int) -> str:
        name = f"mix{len(self.root)}"
        tracks = [self._playlist(f"{name}{side}", entries) for side, entries in (("a", below), ("b", above))]
        last = str(frames - 1)
        mixed = Xml.SubElement(self.root, "tractor", {"id": name, "in": "0", "out": last})
        for track in tracks:
            Xml.SubElement(mixed, "track", producer=track)
        luma = Xml.SubElement(mixed, "transition", {"in": "0", "out": last})
        _properties(luma, a_track="0", b_track="1", factory="loader", mlt_service="luma")
        return name

    def _playlist(self, name: str, entries: Iterable[Xml.Element]) -> str:
        ready = list(entries)  # makes their producers, which come first
        Xml.SubElement(self.root, "playlist", id=name).extend(ready)
        return name

    def _entries(self, clip: EditorClip, first: int, end: int) -> Iterator[Xml.Element]:
        """The frames [first, end) of a clip."""
        producer = self._producer(clip.shown)
        for source, frames in _sources(clip, first, end):
            yield _entry(producer, source, frames)

    def _black(self, frames: int) -> Xml.Element:
        """Some black frames."""
        if BLACK not in self.producers:
            self.producers[BLACK] = BLACK
            producer = Xml.SubElement(self.root, "producer", {"id": BLACK, "in": "0", "out": str(LONGEST_BLACK - 1)})
            _properties(producer, resource="black", mlt_service="color", length=str(LONGEST_BLACK))
        return _entry(BLACK, 0, frames)

    def _producer(self, media: EditorMedia) -> str:
        if media.name not in self.producers:
            name = f"media{len(self.producers) + 1}"
            self.producers[media.name] = name
            last = str(media.frames - 1)
            producer = Xml.SubElement(self.root, "producer", {"id": name, "in": "0", "out": last})
            _properties(
                producer,
                resource=media.file,
                mlt_service="avformat",
                length=str(media.frames),
                eof="pause",
                **{"kdenlive:clipname": one_line(media.name)},
            )
        return self.producers[media.name]


def _sources(clip: EditorClip, first: int, end: int) -> Iterator[tuple[int, int]]:
    """Runs of frames of the media that frames [first, end) of the clip show: (frame, how many). The frames of a hold
    are runs of one."""
    moving = clip.frames - clip.hold
    if first < min(end, moving):
        yield clip.source + first, min(end, moving) - first
    for _ in range(max(first, moving), end):
        yield clip.source + moving - 1, 1


def _entry(producer: str, first: int, frames: int) -> Xml.Element:
    return Xml.Element("entry", {"producer": producer, "in": str(first), "out": str(first + frames - 1)})


def _blank() -> Xml.Element:
    return Xml.Element("blank", length="1")


def _profile(timeline: EditorTimeline) -> Xml.Element:
    width, height = timeline.size.width, timeline.size.height
    common = gcd(width, height)
    numbers = {
        "width": width,
        "height": height,
        "progressive": 1,
        "sample_aspect_num": 1,
        "sample_aspect_den": 1,
        "display_aspect_num": width // common,
        "display_aspect_den": height // common,
        "frame_rate_num": timeline.rate.numerator,
        "frame_rate_den": timeline.rate.denominator,
        "colorspace": 709,
    }
    description = f"{width}x{height} {timeline.rate} fps"
    return Xml.Element("profile", {"description": description, **{name: str(value) for name, value in numbers.items()}})


def _properties(element: Xml.Element, **properties: str) -> None:
    for name, value in properties.items():
        Xml.SubElement(element, "property", name=name).text = value
