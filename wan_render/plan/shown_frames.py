"""Which frames of each shot are shown: takes, `in`, `out`, `hold` and joints on the film's clock."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.authored import Time
from wan_render.plan.clock import FilmClock, nearest_frame
from wan_render.plan.film_plan import PlannedJoint
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited
from wan_render.plan.joints import Rates
from wan_render.plan.lengths import PlannedLength
from wan_render.plan.roles import ShotRole


@dataclass(frozen=True)
class Shown:
    """Film frames [first, first + frames) of a shot's take, then its last frame for `hold` more."""

    first: int
    frames: int
    hold: int


@dataclass(frozen=True)
class Span:
    """One shot before it is laid on the clock. take: the length of its take in film frames; 0 without a model."""

    inherited: Inherited
    role: ShotRole
    length: PlannedLength
    take: int
    joint: PlannedJoint | None


def take_in_film_frames(frames: int, rate: Fraction, film: Fraction) -> int:
    """The length of a take in film frames, both ends included. rate, film: frames per second of take and film."""
    return nearest_frame(Fraction(frames - 1) / rate * film) + 1


def lay(span: Span, clock: FilmClock, rates: Rates, findings: Findings) -> tuple[Shown, FilmClock]:
    """What is shown of a shot that begins at `clock`, and the clock where the next one begins."""
    shown, seconds = _shown(span, clock, rates, findings)
    held = clock.after(seconds, shown.frames)
    hold = _seconds(span.inherited.shot.hold, rates)
    hold_frames = held.frames_until(hold) if hold else 0
    end = held.after(hold, hold_frames)
    if span.joint is not None and span.joint.kind == "dissolve":
        end = end.overlapped(span.joint.frames)
    return _with_hold(shown, hold_frames, span.joint), end


def _with_hold(shown: Shown, hold: int, joint: PlannedJoint | None) -> Shown:
    """Add a hold. Before a continuous joint, it freezes the shared keyframe, not the frame before it."""
    if hold and joint is not None and joint.kind == "continuous":
        return Shown(shown.first, shown.frames + 1, hold - 1)
    return Shown(shown.first, shown.frames, hold)


def _shown(span: Span, clock: FilmClock, rates: Rates, findings: Findings) -> tuple[Shown, Fraction]:
    """The part of a shot that is shown, without its hold, and its time in seconds."""
    begin, end = _seconds(span.inherited.shot.in_, rates), _end(span, rates)
    is_clip = span.role is ShotRole.CLIP  # its part of the file begins at `in`
    first = 0 if is_clip else nearest_frame(begin * rates.film)
    there = span.take - first
    if span.role is not ShotRole.RENDER and not (is_clip and _shows_whole_take(span)):
        seconds = end - begin
        frames = clock.frames_until(seconds)
    elif _shows_whole_take(span):
        frames = there if span.joint is None else there - 1  # the next shot shows the shared keyframe
        seconds = frames / rates.film
    else:
        _check_out(span, rates, findings)
        seconds = end - begin
        frames = min(there, clock.frames_until(seconds))
    if frames < 1:
        _report_nothing_left(span, findings)
        return Shown(first, 1, 0), 1 / rates.film
    return Shown(first, frames, 0), seconds


def _shows_whole_take(span: Span) -> bool:
    """Whether a shot shows its take to the end: up to the keyframe that it shares with the next shot or, for the film's
    last shot, up to its last keyframe. A last shot without one is as long as written."""
    shot = span.inherited.shot
    if shot.out is not None:
        return False
    return shot.to is not None if span.joint is None else span.joint.kind == "continuous"


def lengthened(span: Span, shown: Shown, rates: Rates) -> tuple[Fraction, Fraction] | None:
    """(written, shown) seconds of a shot that is longer by a frame or more because its whole take is shown; without
    `hold` and without the keyframe at the end of the film. None for any other shot."""
    if span.role is not ShotRole.RENDER or not _shows_whole_take(span):
        return None
    asked = _end(span, rates) - _seconds(span.inherited.shot.in_, rates)
    comes_to = (span.take - shown.first - 1) / rates.film
    return (asked, comes_to) if comes_to - asked >= 1 / rates.film else None


def _end(span: Span, rates: Rates) -> Fraction:
    """Where a shot's time ends, in seconds: at its `out`, else after its duration, which for a clip starts at `in`."""
    shot = span.inherited.shot
    if shot.out is not None:
        return _seconds(shot.out, rates)
    return span.length.seconds + (_seconds(shot.in_, rates) if span.role is ShotRole.CLIP else 0)


def _check_out(span: Span, rates: Rates, findings: Findings) -> None:
    out, last = span.inherited.shot.out, Fraction(span.take) / rates.film
    if out is not None and (seconds := _seconds(out, rates)) > last:
        allowed = f"the take has {span.take} frames, {float(last):g}s"
        remedy = "write an earlier one, or a longer duration"
        findings.error(span.inherited.at("out"), f"{float(seconds):g}s is after the end of the take", allowed, remedy)


def _report_nothing_left(span: Span, findings: Findings) -> None:
    shot = span.inherited.shot
    key = "out" if shot.out is not None else "in" if shot.in_ is not None else None
    place = span.inherited.place if key is None else span.inherited.at(key)
    allowed = "`in` is before `out` and before the take's end" if key is not None else "at least one frame is shown"
    findings.error(place, "less than one frame of the shot is left", allowed, "show more of it")


def _seconds(time: Time | None, rates: Rates) -> Fraction:
    return Fraction(0) if time is None else time.at(rates.written)
