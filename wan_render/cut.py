"""The cut of a film: which frames of which clip, in which order. Pure.

A Cut is made from a plan and the results of its shots. The film is made from a Cut and the store alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from wan_render.authored import RetimeMethod
from wan_render.footage.footage_part import FootagePart
from wan_render.keys import ADDED_LATER
from wan_render.plan import (
    BRIDGE_SUFFIX,
    CardText,
    FilmPlan,
    FilmSubtitles,
    NotYet,
    PlannedJoint,
    PlannedShot,
    PlannedTitle,
    StillPicture,
)
from wan_render.sound import Soundtrack
from wan_render.take import Size
from wan_render.upscaling import Upscaling

MATCH_FORM = "ends/1"
"""The version of the way colours are matched. Raise it when it makes other pictures."""

REPAIR_FORM, EASING_FORM = "evened/1", "ramps/1"
"""The versions of the way late jumps are repaired, and joints are eased. Raise one when it makes other frames."""

RETIME_FORMS: Mapping[RetimeMethod, str] = {"flow": "flow/1", "rife": "rife-4.0/1", "duplicate": "duplicate/1"}
"""The version of each method. Raise one when it makes other frames."""


@dataclass(frozen=True)
class ClipSource:
    """A finished take in the store."""

    key: str


@dataclass(frozen=True)
class SlateSource:
    """A card in place of a missing shot: its name and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class ColourCorrection:
    """What happens to the levels (0 to 255) of red, green and blue: each times its gain, plus its offset."""

    gains: tuple[float, ...] = (1.0, 1.0, 1.0)
    offsets: tuple[float, ...] = (0.0, 0.0, 0.0)

    def towards(self, other: ColourCorrection, part: float) -> ColourCorrection:
        """The correction at a place between this one (0) and another (1)."""

        def between(one: tuple[float, ...], two: tuple[float, ...]) -> tuple[float, ...]:
            return tuple((1 - part) * a + part * b for a, b in zip(one, two, strict=True))

        return ColourCorrection(between(self.gains, other.gains), between(self.offsets, other.offsets))

    def after(self, first: ColourCorrection) -> ColourCorrection:
        """Both as one: `first`, then this one."""
        channels = zip(self.gains, self.offsets, first.gains, first.offsets, strict=True)
        pairs = [(gain * inner, gain * offset + own) for gain, own, inner, offset in channels]
        return ColourCorrection(tuple(gain for gain, _ in pairs), tuple(offset for _, offset in pairs))


@dataclass(frozen=True)
class ColourRamp:
    """A correction that runs linearly over the frames of an event, from its first one to its last one."""

    begin: ColourCorrection
    end: ColourCorrection


Source = ClipSource | FootagePart | StillPicture | CardText | SlateSource


@dataclass(frozen=True)
class Event:
    """One line of the cut.

    name:    the shot's id, "1/020", or a bridge's, "1/020+bridge"; "" for a title.
    first, frames: source frames [first, first + frames) are shown, one film frame each. With a `rate`, they count
             frames of the film instead, from the beginning of the source.
    hold:    film frames for which the last of them is repeated.
    joint:   to the next event. A dissolve of n frames overlaps the last n film frames of this event (hold included)
             with the first n of the next. A fade of n frames fades out over the last n - n // 2 frames of this event
             and fades in over the first n // 2 of the next. None for the last event of the film.
    rate:    frames per second of the source; None if they are the film's. Otherwise the film shows each moment of the
             source at its own time: film frame 0 of the event is at `first` / (the film's rate) seconds in the source.
    grade:   how its colours are corrected. Found from the clips when the film is made, so a planned cut has none.
    pace:    the place in its source, in source frames, that it shows in each of its film frames; None: as `rate` says,
             evenly. Found from the clips when the film is made, too.
    preview: the name of the preview backend that rendered it, burned into the film with the shot's id; "" otherwise.
    """

    name: str
    source: Source
    first: int
    frames: int
    hold: int = 0
    joint: PlannedJoint | None = None
    preview: str = ""
    rate: Fraction | None = field(default=None, metadata=ADDED_LATER)
    grade: ColourRamp | None = field(default=None, metadata=ADDED_LATER)
    pace: tuple[Fraction, ...] | None = field(default=None, metadata=ADDED_LATER)

    @property
    def is_bridge(self) -> bool:
        """Whether it is a bridge between the events before and after it."""
        return self.name.endswith(BRIDGE_SUFFIX)

    @property
    def length(self) -> int:
        """Film frames on screen, overlaps included."""
        return self.frames + self.hold

    def source_position(self, at: int, film_rate: Fraction) -> Fraction:
        """The place in its source, in source frames, that the event shows in its film frame `at` (from 0). It lies
        between two frames if it is not whole."""
        if self.pace is not None:
            return self.pace[min(at, self.frames - 1)]
        return (self.first + min(at, self.frames - 1)) * (self.rate or film_rate) / film_rate

    def source_frame(self, at: int, film_rate: Fraction) -> int:
        """The source frame at or before `source_position`."""
        return self.source_position(at, film_rate).__floor__()


@dataclass(frozen=True)
class Cut:
    """A film as an edit.

    rate:   frames per second of the finished film. Everything counts its frames: events, joints, fades.
    size:   the raster of its sources.
    retime: how frames in between are made for events with a `rate` or a `pace`: one of RETIME_FORMS. None if there are
            none.
    repair: how late jumps of takes are repaired: REPAIR_FORM; None if they stay.
    easing: how stop-and-go at continuous joints is eased: EASING_FORM; None if it stays.
    match_colours: how takes get the colours of their keyframes: MATCH_FORM; None if they keep their own.
    dissolves: `linear` if dissolves mix pictures as light; None if they mix levels, or if there are none.
    lettering: what its letters depend on besides the texts: fonts other than the base font, each with digits of its
               file's SHA-256, and the form of line breaks where it matters. Empty for texts that the base font draws
               as it always has.
    sound:     what is heard; None for a silent film.
    language:  the tag of subtitles and cards: it decides between shapes of Han characters.
    upscale:   how takes become as large as the delivery before they are composed; None: as the film is encoded.
    """

    title: str
    rate: Fraction
    size: Size
    delivery: Size
    fit: Literal["cover", "contain"]
    fade_in: int
    fade_out: int
    events: tuple[Event, ...]
    lettering: tuple[str, ...] = field(default=(), metadata=ADDED_LATER)
    sound: Soundtrack | None = field(default=None, metadata=ADDED_LATER)
    match_colours: str | None = field(default=None, metadata=ADDED_LATER)
    dissolves: Literal["linear"] | None = field(default=None, metadata=ADDED_LATER)
    retime: str | None = field(default=None, metadata=ADDED_LATER)
    subtitles: FilmSubtitles | None = field(default=None, metadata=ADDED_LATER)
    language: str = field(default="", metadata=ADDED_LATER)
    upscale: Upscaling | None = field(default=None, metadata=ADDED_LATER)
    repair: str | None = field(default=None, metadata=ADDED_LATER)
    easing: str | None = field(default=None, metadata=ADDED_LATER)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first film frame of each event."""
        starts, at = [], 0
        for event in self.events:
            starts.append(at)
            overlap = event.joint.frames if event.joint is not None and event.joint.kind == "dissolve" else 0
            at += event.length - overlap
        return tuple(starts)

    @property
    def frames(self) -> int:
        """Length of the film in frames."""
        return self.starts[-1] + self.events[-1].length if self.events else 0


_NONE: Mapping[str, str] = MappingProxyType({})


def assemble(
    plan: FilmPlan, clips: Mapping[str, str], missing: Mapping[str, str], previews: Mapping[str, str] = _NONE
) -> Cut:
    """The cut of a plan.

    clips:    shot id → the key of the take that goes into the film.
    missing:  shot id → why it could not be rendered. It becomes a slate of the same length, even if `clips` has it.
    previews: shot id → the name of the preview backend that rendered its clip; other shots are absent.
    Shots that this version cannot render become slates in any case. Raises ValueError for a rendered shot that is in
    neither `clips` nor `missing`.
    """
    events = (
        *map(_title, plan.opening),
        *(_event(shot, _source(shot, clips, missing), previews.get(shot.id, "")) for shot in plan.shots),
        *map(_title, plan.closing),
    )
    return Cut(
        title=plan.title,
        rate=plan.rate,
        size=plan.size,
        delivery=plan.delivery,
        fit=plan.fit,
        fade_in=plan.fade_in,
        fade_out=plan.fade_out,
        events=(*(_joined(event) for event in events[:-1]), *events[-1:]),
        sound=plan.soundtrack,
        match_colours=MATCH_FORM if plan.match_colours else None,
        dissolves="linear" if plan.dissolves == "linear" and any(map(_dissolves, events)) else None,
        upscale=plan.upscale,
        retime=RETIME_FORMS[plan.retime] if _needs_retiming(plan, events) else None,
        repair=REPAIR_FORM if plan.repair_jumps else None,
        easing=EASING_FORM if plan.ease_joints else None,
        subtitles=plan.subtitles,
        language=plan.language,
    )


def _dissolves(event: Event) -> bool:
    return event.joint is not None and event.joint.kind == "dissolve"


def _needs_retiming(plan: FilmPlan, events: Sequence[Event]) -> bool:
    return plan.repair_jumps or plan.ease_joints or any(event.rate is not None for event in events)


def _title(title: PlannedTitle) -> Event:
    return Event(name="", source=CardText(title.text), first=0, frames=title.frames)


def _source(shot: PlannedShot, clips: Mapping[str, str], missing: Mapping[str, str]) -> Source:
    if shot.id in missing:
        return SlateSource(shot.id, missing[shot.id])
    match shot.content:
        case NotYet(reason):
            return SlateSource(shot.id, reason)
        case CardText() | StillPicture() | FootagePart() as source:
            return source
    if shot.id not in clips:
        raise ValueError(f"shot {shot.id} has neither a clip nor a reason why it is missing")
    return ClipSource(clips[shot.id])


def _event(shot: PlannedShot, source: Source, preview: str) -> Event:
    is_clip = isinstance(source, ClipSource)
    return Event(
        name=shot.id,
        source=source,
        first=shot.first if is_clip else 0,
        frames=shot.frames,
        hold=shot.hold,
        joint=shot.joint,
        preview=preview if is_clip else "",
        rate=shot.rate if is_clip or isinstance(source, FootagePart) else None,
    )


def _joined(event: Event) -> Event:
    """An event that is not the last. Titles and the last shot before one have no joint of their own: they cut."""
    return event if event.joint is not None else replace(event, joint=PlannedJoint("cut"))


def film_frames(plan: FilmPlan) -> int:
    """The number of frames of a plan's film. It does not depend on which shots could be rendered."""
    return assemble(plan, {}, {shot.id: "" for shot in plan.shots}).frames
