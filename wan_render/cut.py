"""The edit: which frames of which clip in which order. Pure.

A Cut is made from a plan and from what became of its shots; the film is made from a Cut and the store alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from wan_render.plan import CardText, FilmPlan, NotYet, PlannedJoint, PlannedShot, PlannedTitle, StillPicture
from wan_render.take import AnyPlate, Size


@dataclass(frozen=True)
class ClipSource:
    """A finished take in the store."""

    key: str


@dataclass(frozen=True)
class PictureSource:
    """A still picture."""

    plate: AnyPlate


@dataclass(frozen=True)
class CardSource:
    """A text on black; "" is black."""

    text: str


@dataclass(frozen=True)
class SlateSource:
    """Stands in for a shot that is missing: its name and why."""

    name: str
    reason: str


Source = ClipSource | PictureSource | CardSource | SlateSource


@dataclass(frozen=True)
class Event:
    """One line of the edit.

    name:    the shot's id, "1/020"; "" for a title.
    first, frames: source frames [first, first + frames) are shown, one film frame each.
    hold:    film frames for which the last of them is repeated.
    joint:   to the next event; a dissolve of n overlaps the last n film frames of this one with the first n of the next
             (hold included); a fade of n goes to black over the last n - n // 2 frames of this one and comes up over
             the first n // 2 of the next. None for the film's last event.
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
        """Film frames it is on screen, overlaps included."""
        return self.frames + self.hold


@dataclass(frozen=True)
class Cut:
    """A film as an edit. `rate` in frames per second; `size` is the raster of its sources; fades in film frames."""

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
        """The film frame that each event begins on."""
        starts, at = [], 0
        for event in self.events:
            starts.append(at)
            overlap = event.joint.frames if event.joint is not None and event.joint.kind == "dissolve" else 0
            at += event.length - overlap
        return tuple(starts)

    @property
    def frames(self) -> int:
        """Film frames in all."""
        return self.starts[-1] + self.events[-1].length if self.events else 0


_NONE: Mapping[str, str] = MappingProxyType({})


def assemble(
    plan: FilmPlan, clips: Mapping[str, str], missing: Mapping[str, str], previews: Mapping[str, str] = _NONE
) -> Cut:
    """The edit of a plan.

    clips:   shot id → the key of the take that goes into the film.
    missing: shot id → why it could not be rendered; it becomes a slate of the same length, whatever `clips` has.
    previews: shot id → the name of the preview backend that rendered its clip, for the clips of such a one.
    Shots that this version cannot make become slates by themselves. Raises ValueError for a rendered shot that is in
    neither mapping: the caller forgot it.
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
    return Event(name="", source=CardSource(title.text), first=0, frames=title.frames)


def _source(shot: PlannedShot, clips: Mapping[str, str], missing: Mapping[str, str]) -> Source:
    if shot.id in missing:
        return SlateSource(shot.id, missing[shot.id])
    match shot.content:
        case NotYet(reason):
            return SlateSource(shot.id, reason)
        case CardText(text):
            return CardSource(text)
        case StillPicture(plate):
            return PictureSource(plate)
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
    """An event that is not the last: titles, and the last shot before one, meet the next by a cut."""
    return event if event.joint is not None else replace(event, joint=PlannedJoint("cut"))


def film_frames(plan: FilmPlan) -> int:
    """How many frames the film of a plan has; it does not depend on what becomes of its shots."""
    return assemble(plan, {}, {shot.id: "" for shot in plan.shots}).frames
