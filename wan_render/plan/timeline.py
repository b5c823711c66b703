"""Which frames of each shot are shown: takes, `in`, `out`, `hold` and joints, laid on the film's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.model import Time
from wan_render.plan.clock import FilmClock, nearest_frame
from wan_render.plan.film import Joint
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited
from wan_render.plan.joints import Rates
from wan_render.plan.lengths import Length
from wan_render.plan.roles import Role


@dataclass(frozen=True)
class Shown:
    """Film frames [first, first + frames) of a shot's take, then its last picture for `hold` more."""

    first: int
    frames: int
    hold: int


@dataclass(frozen=True)
class Span:
    """One shot before it is laid on the clock. `take`: film frames that its take gives; 0 without a model."""

    inherited: Inherited
    role: Role
    length: Length
    take: int
    joint: Joint | None


def take_in_film_frames(frames: int, rate: Fraction, film: Fraction) -> int:
    """How many film frames a take of another rate gives, both ends included."""
    return nearest_frame(Fraction(frames - 1) / rate * film) + 1


def lay(span: Span, clock: FilmClock, rates: Rates, findings: Findings) -> tuple[Shown, FilmClock]:
    """What is shown of a shot that begins at `clock`, and the clock where the next one begins."""
    shown, seconds = _shown(span, clock, rates, findings)
    held = clock.after(seconds, shown.frames)
    hold = _seconds(span.inherited.shot.hold, rates)
    hold_frames = held.frames_until(hold)
    end = held.after(hold, hold_frames)
    if span.joint is not None and span.joint.kind == "dissolve":
        end = end.overlapped(span.joint.frames)
    return _with_hold(shown, hold_frames, span.joint), end


def _with_hold(shown: Shown, hold: int, joint: Joint | None) -> Shown:
    """A shot that is held before a continuous joint freezes the shared picture itself, not the one before it."""
    if hold and joint is not None and joint.kind == "continuous":
        return Shown(shown.first, shown.frames + 1, hold - 1)
    return Shown(shown.first, shown.frames, hold)


def _shown(span: Span, clock: FilmClock, rates: Rates, findings: Findings) -> tuple[Shown, Fraction]:
    if span.role is not Role.RENDER:
        return _shown_unrendered(span, clock, rates, findings)
    _check_in_out(span, rates, findings)
    begin = _seconds(span.inherited.shot.in_, rates)
    first = min(nearest_frame(begin * rates.film), span.take - 1)
    there = span.take - first
    if span.inherited.shot.out is None and (span.joint is None or span.joint.kind == "continuous"):
        frames = there if span.joint is None else there - 1  # the next shot shows the shared picture
        seconds = frames / rates.film
    else:
        seconds = _end(span, rates) - begin
        frames = min(there, clock.frames_until(seconds))
    return _at_least_one(Shown(first, frames, 0), span, findings), seconds


def _shown_unrendered(span: Span, clock: FilmClock, rates: Rates, findings: Findings) -> tuple[Shown, Fraction]:
    """A still or a card for its duration; a clip from `in` to `out`, where it has both."""
    shot, seconds = span.inherited.shot, span.length.seconds
    if span.role is Role.CLIP:
        first = nearest_frame(_seconds(shot.in_, rates) * rates.film)
        if shot.out is not None:
            seconds = _seconds(shot.out, rates) - _seconds(shot.in_, rates)
            _check_order(span, rates, findings)
    else:
        first = 0
        for key, time in (("in", shot.in_), ("out", shot.out)):
            if time is not None:
                found = f"`{key}` of a {span.role.value}"
                findings.error(span.inherited.at(key), found, "takes and clips have parts", "write its duration")
    return _at_least_one(Shown(first, clock.frames_until(seconds), 0), span, findings), seconds


def _at_least_one(shown: Shown, span: Span, findings: Findings) -> Shown:
    if shown.frames >= 1:
        return shown
    findings.error(span.inherited.place, "is shorter than one frame of the film", "", "make it longer")
    return Shown(shown.first, 1, 0)


def _check_in_out(span: Span, rates: Rates, findings: Findings) -> None:
    """`in` before `out`, and both within the take."""
    shot, end = span.inherited.shot, Fraction(span.take) / rates.film
    _check_order(span, rates, findings)
    for key, time in (("in", shot.in_), ("out", shot.out)):
        if time is not None and _seconds(time, rates) > end:
            allowed = f"the take has {span.take} frames, {float(end):g}s"
            found = f"`{key}` at {float(_seconds(time, rates)):g}s is beyond its take"
            findings.error(span.inherited.at(key), found, allowed, "write an earlier one, or a longer duration")


def _check_order(span: Span, rates: Rates, findings: Findings) -> None:
    shot = span.inherited.shot
    begin = _seconds(shot.in_, rates)
    if begin < 0:
        findings.error(span.inherited.at("in"), "`in` is before the first frame", "0s or later")
    elif (shot.in_ is not None or shot.out is not None) and begin >= _end(span, rates):
        key = "out" if shot.out is not None else "in"
        found = f"from {float(begin):g}s to {float(_end(span, rates)):g}s nothing is left"
        findings.error(span.inherited.at(key), found, "`in` is before `out`, or before the duration's end")


def _end(span: Span, rates: Rates) -> Fraction:
    out = span.inherited.shot.out
    return span.length.seconds if out is None else _seconds(out, rates)


def _seconds(time: Time | None, rates: Rates) -> Fraction:
    return Fraction(0) if time is None else time.at(rates.told)
