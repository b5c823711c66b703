"""Colour match: a take's colours are moved to those of its keyframes at both ends, and evenly in between.

Models shift colours: the first frame of a take is not quite the keyframe that it begins on. At a continuous joint the
colours then jump. For each channel a gain and an offset are found that give a frame the mean and the spread of its
keyframe. They run linearly from the first frame's to the last one's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wan_render.cut import ClipSource, ColourCorrection, ColourRamp, Cut, Event
from wan_render.errors import MachineError, Problem
from wan_render.media.clip import read_frames
from wan_render.production.measure_stored import read_plate
from wan_render.render_values import Pixels
from wan_render.store import Clip, Store

LIKE = 48
"""Pixels whose levels differ by less show the same thing in a frame and its keyframe."""

LEAST_LIKE = 0.3
"""Of a picture: where fewer pixels do, the frame does not show its keyframe, and nothing is corrected."""

GAINS, OFFSETS = (0.8, 1.25), (-24.0, 24.0)
"""The limits of a correction. What differs by more is not a shift of colours."""


@dataclass(frozen=True)
class MatchedEnd:
    """What was done at one end of a shot. end: `first` or `last`. before, after: how far the mean levels of the
    channels are from the keyframe's, on average."""

    shot: str
    end: str
    before: float
    after: float

    @property
    def in_words(self) -> str:
        """`first frame 3.1 → 0.2`."""
        return f"{self.end} frame {self.before:.1f} → {self.after:.1f}"


def matching_tag(ends: Sequence[MatchedEnd]) -> dict[str, str]:
    """The film's tag about it; empty if nothing was matched."""
    if not ends:
        return {}
    before, after = (sum(each) / len(ends) for each in zip(*((end.before, end.after) for end in ends), strict=True))
    return {"colours": f"matched at {len(ends)} ends of shots: {before:.1f} levels off before, {after:.1f} after"}


def matching_words(ends: Sequence[MatchedEnd], shot: str) -> str:
    """What was done to a shot, in levels; "" for nothing."""
    return ", ".join(end.in_words for end in ends if end.shot == shot)


def matched_colours(cut: Cut, store: Store) -> tuple[Cut, tuple[MatchedEnd, ...]]:
    """The cut with a ColourRamp for every clip that has a keyframe, if the film asks for it; and what that does.

    Raises MachineError for a take that cannot be read.
    """
    if cut.match_colours is None:
        return cut, ()
    found: list[MatchedEnd] = []
    ends: dict[str, ColourCorrection] = {}
    events = [_matched(event, cut, store, ends, found) for event in cut.events]
    return replace(cut, events=tuple(_with_bridges(events))), tuple(found)


def _with_bridges(events: Sequence[Event]) -> Iterator[Event]:
    """The events, where each bridge leads from the correction of the event before it to that of the one after it."""
    for at, event in enumerate(events):
        if not event.is_bridge:
            yield event
            continue
        before, after = (events[side].grade for side in (at - 1, at + 1))
        begin = ColourCorrection() if before is None else before.end
        end = ColourCorrection() if after is None else after.begin
        is_plain = before is None and after is None
        yield event if is_plain else replace(event, grade=ColourRamp(begin, end))


def _matched(event: Event, cut: Cut, store: Store, ends: dict[str, ColourCorrection], found: list[MatchedEnd]) -> Event:
    """ends: key of a take → the correction of its last frame, for takes that begin on it. Gets this take's."""
    if not isinstance(event.source, ClipSource):
        return event
    clip = store.find(event.source.key)
    if clip is None:
        gone = "is no longer in the outputs folder"
        raise MachineError(Problem(f"take {event.source.key}", gone, "", "run the same command again"))
    first, last = (_correction(event.name, clip, end, found) for end in ("first", "last"))
    if first is not None and (before := ends.get(_continued(store, clip))) is not None:
        first = before.after(first)  # its keyframe is shown as the take before it ends
    begin, end = first or last, last or first
    if begin is None or end is None:
        return event
    ends[clip.key] = end
    positions = (event.source_position(at, cut.rate) / max(clip.frames - 1, 1) for at in (0, event.frames - 1))
    return replace(event, grade=ColourRamp(*(begin.towards(end, float(part)) for part in positions)))


def _continued(store: Store, clip: Clip) -> str:
    """The key of the take on whose last frame this one begins; "" if it begins on a keyframe."""
    plate = store.record(clip.key).take["first"]
    return str(plate.get("take", "")) if isinstance(plate, dict) else ""


def _correction(shot: str, clip: Clip, end: str, found: list[MatchedEnd]) -> ColourCorrection | None:
    """The correction of an end of a clip; None if it has no keyframe there, or does not show it."""
    plate = clip.first if end == "first" else clip.last
    if plate is None:
        return None
    wanted = read_plate(plate)
    frame = next(read_frames(clip.video, 0 if end == "first" else clip.frames - 1, 1))
    alike = np.abs(frame.astype(np.int16) - wanted).max(axis=2) < LIKE
    if alike.mean() < LEAST_LIKE:
        return None
    correction = ColourCorrection(*zip(*_fits(frame[alike].astype(float), wanted[alike].astype(float)), strict=True))
    distances = (_distance(frame[alike], wanted[alike], each) for each in (ColourCorrection(), correction))
    found.append(MatchedEnd(shot, end, *distances))
    return correction


def _fits(frame: NDArray[np.float64], wanted: NDArray[np.float64]) -> Iterator[tuple[float, float]]:
    """(gain, offset) of each channel. frame, wanted: (pixels, 3)."""
    for channel in range(3):
        one, other = frame[:, channel], wanted[:, channel]
        gain = float(np.clip(other.std() / max(one.std(), 1.0), *GAINS)) if one.std() > 1 else 1.0
        yield gain, float(np.clip(other.mean() - gain * one.mean(), *OFFSETS))


def _distance(frame: Pixels, wanted: Pixels, correction: ColourCorrection) -> float:
    corrected = np.clip(frame * np.array(correction.gains) + correction.offsets, 0, 255)
    return float(np.abs(corrected.mean(axis=0) - wanted.mean(axis=0)).mean())
