"""A film as an editor's timeline, as values. All times are frames of the timeline's rate; ranges are half-open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from wan_render.take import Size


@dataclass(frozen=True)
class EditorMedia:
    """A picture that a clip of the timeline can show.

    name:    `river_sc1_sh020_t02`; also the stem of its file.
    label:   what people read: `take 2`, `card`, `slate`.
    frames:  how many it has, from 0, at the timeline's rate.
    own:     its own frames and rate, if its file has another rate than the timeline.
    file:    a path relative to the document, with `/`; "" for a generator, which has no file.
    generator: what it shows if it has no file: `kind`, and text.
    reel:    at most 8 letters and digits, unique in the timeline.
    """

    name: str
    label: str
    frames: int
    file: str = ""
    generator: Mapping[str, str] = field(default_factory=dict)
    reel: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    own: tuple[int, Fraction] | None = None


@dataclass(frozen=True)
class EditorMarker:
    """A remark at a frame of a clip's media."""

    frame: int
    name: str
    colour: Literal["RED", "YELLOW", "GREEN"]


@dataclass(frozen=True)
class EditorClip:
    """A clip of the timeline: the whole time in which an event is seen, dissolves included.

    name:     the shot's id, "1/020"; "title" and its number for a title.
    start, frames: where it is on the timeline.
    source:   the frame of its media that `start` shows.
    media:    the alternates, each with the same frames at the same times. active: which of them is shown.
    hold:     for how many of its frames the last one before them is frozen. 0 if its media has them frozen already.
    dissolve: with how many of its last frames the next clip's first ones are mixed.
    fade_in, fade_out: for how many frames it comes from black, and goes to black.
    """

    name: str
    start: int
    frames: int
    source: int
    media: tuple[EditorMedia, ...]
    active: int = 0
    hold: int = 0
    dissolve: int = 0
    fade_in: int = 0
    fade_out: int = 0
    joint: str = ""
    markers: tuple[EditorMarker, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The first frame of the timeline after it."""
        return self.start + self.frames

    @property
    def shown(self) -> EditorMedia:
        """The media that is active."""
        return self.media[self.active]

    @property
    def handles(self) -> tuple[int, int]:
        """How many frames its media has before and after the clip."""
        return self.source, max(0, self.shown.frames - self.source - self.frames)


@dataclass(frozen=True)
class EditorSound:
    """A sound of the film, from `start` on. lane: the track that it is on; no two sounds of a lane overlap."""

    name: str
    start: int
    frames: int
    lane: str
    media: EditorMedia

    @property
    def end(self) -> int:
        """The first frame of the timeline after it."""
        return self.start + self.frames


@dataclass(frozen=True)
class EditorTimeline:
    """A film for an editor. Its clips follow each other without gaps, and overlap only in dissolves."""

    name: str
    rate: Fraction
    size: Size
    clips: tuple[EditorClip, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    sounds: tuple[EditorSound, ...] = ()

    @property
    def frames(self) -> int:
        """Its length."""
        return self.clips[-1].end if self.clips else 0

    @property
    def lanes(self) -> Mapping[str, tuple[EditorSound, ...]]:
        """The sounds of each track, in order."""
        names = dict.fromkeys(sound.lane for sound in self.sounds)
        return {name: tuple(sound for sound in self.sounds if sound.lane == name) for name in names}


@dataclass(frozen=True)
class ClipCut:
    """A clip between two cut points: how editing software sees it. A dissolve runs on both sides of its cut point.

    start, end:   frames of the timeline between the cut points. source: the frame of its media at `start`.
    before, after: how far the dissolve with the next clip reaches before and behind `end`.
    """

    clip: EditorClip
    start: int
    end: int
    source: int
    before: int
    after: int

    @property
    def frames(self) -> int:
        """Its length."""
        return self.end - self.start


def clip_cuts(timeline: EditorTimeline) -> tuple[ClipCut, ...]:
    """The timeline's clips between cut points. A cut point is in the middle of a dissolve: of an odd number of frames,
    the smaller half comes before it."""
    cuts, before = [], 0
    for clip in timeline.clips:
        reach = clip.dissolve // 2
        behind = clip.dissolve - reach
        start = clip.start + before
        cuts.append(ClipCut(clip, start, clip.end - behind, clip.source + before, reach, behind))
        before = reach
    return tuple(cuts)
