"""Where the events of a cut lie on a timeline of another rate. Pure.

Frame k of a film at rate R shows the moment k / R. It belongs to the event that is seen at that moment, so an event
that begins at native frame s begins at frame ceil(s * R / r), where r is the native rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from wan_render.cut import Cut, Event


@dataclass(frozen=True)
class PlacedEvent:
    """An event on a timeline, in the timeline's frames. See EditorClip for the fields."""

    event: Event
    start: int
    end: int
    hold: int
    dissolve: int
    fade_in: int
    fade_out: int


def placements(cut: Cut, rate: Fraction) -> tuple[PlacedEvent, ...]:
    """Every event of a cut on a timeline of `rate` frames per second."""
    ratio = rate / cut.rate
    starts = cut.starts
    ends = [start + event.length for start, event in zip(starts, cut.events, strict=True)]
    placed = []
    for index, (event, start, end) in enumerate(zip(cut.events, starts, ends, strict=True)):
        last = index == len(cut.events) - 1
        first_frame, end_frame = ceil(start * ratio), timeline_frames(cut, rate) if last else ceil(end * ratio)
        fade_in = cut.fade_in if index == 0 else _fade(cut.events[index - 1]) // 2
        fade_out = cut.fade_out if last else _fade(event) - _fade(event) // 2
        following = end_frame if last else ceil(starts[index + 1] * ratio)
        placed.append(
            PlacedEvent(
                event,
                first_frame,
                end_frame,
                hold=end_frame - ceil((end - event.hold) * ratio) if event.hold else 0,
                dissolve=end_frame - following,
                fade_in=ceil((start + fade_in) * ratio) - first_frame,
                fade_out=end_frame - ceil((end - fade_out) * ratio) if fade_out else 0,
            )
        )
    return tuple(placed)


def timeline_frames(cut: Cut, rate: Fraction) -> int:
    """The length of the film at a rate."""
    return round(cut.frames * rate / cut.rate)


def media_frames(native: int, ratio: Fraction) -> int:
    """How many frames media of `native` frames has at another rate, if frames are repeated: none is left out."""
    return ceil(native * ratio)


def retimed_frames(native: int, ratio: Fraction) -> int:
    """The same, if frames are made in between: up to the moment of the last native one."""
    return floor((native - 1) * ratio) + 1


def source_frame(placed: PlacedEvent, native_start: int, ratio: Fraction) -> int:
    """The frame of an event's media at `placed.start`. The nearest one: where the event begins between two frames of
    the timeline, its first one on the timeline shows a later moment than `event.first`."""
    return max(0, round(placed.start + (placed.event.first - native_start) * ratio))


def _fade(event: Event) -> int:
    return event.joint.frames if event.joint is not None and event.joint.kind == "fade" else 0
