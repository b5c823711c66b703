"""The cut of a film: which frames of which clip, in which order. Pure.

A Cut is made from a plan and the results of its shots. The film is made from a Cut and the store alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from wan_render.plan import CardText, FilmPlan, NotYet, PlannedJoint, PlannedShot, PlannedTitle, StillPicture
from wan_render.take import Size


@dataclass(frozen=True)
class ClipSource:
    """A finished take in the store."""

    key: str


@dataclass(frozen=True)
class SlateSource:
    """A card in place of a missing shot: its name and the reason."""

    name: str
    reason: str


Source = ClipSource | StillPicture | CardText | SlateSource


@dataclass(frozen=True)
class Event:
    """One line of the cut.

    name:    the shot's id, "1/020"; "" for a title.
    first, frames: source frames [first, first + frames) are shown, one film frame each.
    hold:    film frames for which the last of them is repeated.
    joint:   to the next event. A dissolve of n frames overlaps the last n film frames of this event (hold included)
             with the first n of the next. A fade of n frames fades out over the last n - n // 2 frames of this event
             and fades in over the first n // 2 of the next. None for the last event of the film.
    preview: the name of the preview backend that rendered it, burned into the film with the shot's id; "" otherwise.
    """

    name: str
    source: Source
    first: int
    frames: int
    hold: int = 0
    joint: PlannedJoint | None = None
    preview: str = ""

    @property
    def length(self) -> int:
        """Film frames on screen, overlaps included."""
        return self.frames + self.hold


@dataclass(frozen=True)
class Cut:
    """A film as an edit. rate: frames per second; size: the raster of its sources; fades in film frames."""

    title: str
    rate: Fraction
    size: Size
    delivery: Size
    fit: Literal["cover", "contain"]
    fade_in: int
    fade_out: int
    events: tuple[Event, ...]

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
    )


def _title(title: PlannedTitle) -> Event:
    return Event(name="", source=CardText(title.text), first=0, frames=title.frames)


def _source(shot: PlannedShot, clips: Mapping[str, str], missing: Mapping[str, str]) -> Source:
    if shot.id in missing:
        return SlateSource(shot.id, missing[shot.id])
    match shot.content:
        case NotYet(reason):
            return SlateSource(shot.id, reason)
        case CardText() | StillPicture() as source:
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
    )


def _joined(event: Event) -> Event:
    """An event that is not the last. Titles and the last shot before one have no joint of their own: they cut."""
    return event if event.joint is not None else replace(event, joint=PlannedJoint("cut"))


def film_frames(plan: FilmPlan) -> int:
    """The number of frames of a plan's film. It does not depend on which shots could be rendered."""
    return assemble(plan, {}, {shot.id: "" for shot in plan.shots}).frames
