"""Checks timecodes: their last field counts frames, so it must be smaller than the frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, get_args

from wan_render.authored import Authored, FrameRate, PathInFile, Storyboard, Time, Transition
from wan_render.plan.findings import Findings


def check_timecodes(storyboard: Storyboard, rate: Fraction, findings: Findings) -> None:
    """Report every timecode whose last field is not smaller than the rate, in omitted shots as well.

    A fractional rate is rounded up: 23.976 frames per second count as 24.
    """
    within = rate.__ceil__()
    beyond = [(place, abs(time.frames)) for place, time in _timecodes(storyboard, ()) if abs(time.frames) >= within]
    if not beyond:
        return
    remedy = _remedy(max(frames for _, frames in beyond))
    for place, frames in beyond:
        found = f"frame {frames} in a second of {within} frames"
        allowed = f"the film has {float(rate):g} frames per second, 00 to {within - 1:02}"
        findings.error(place, found, allowed, remedy)


def _remedy(most: int) -> str:
    """What to write instead: the slowest rate of the format that has this frame in a second, or seconds."""
    rates = [rate for rate in get_args(FrameRate.model_fields["fps"].annotation) if rate != "native"]
    fitting = next((rate for rate in rates if rate > most), None)
    if fitting is None:
        return "write seconds: 2.5s"
    return f"if timecodes count {fitting} frames per second, write film: {{rate: {fitting}}}; or write seconds: 2.5s"


def _timecodes(value: Any, place: PathInFile) -> Iterator[tuple[PathInFile, Time]]:
    """Every timecode below a place. Visits only values that were written: some 5,000 in a film of 1,000 shots."""
    if isinstance(value, Time):
        if value.is_timecode:
            yield place, value
    elif isinstance(value, Transition):
        yield from _timecodes(value.length, place)
    elif isinstance(value, Authored):
        infos = type(value).model_fields
        for name in value.model_fields_set:
            yield from _timecodes(getattr(value, name), (*place, infos[name].alias or name))
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from _timecodes(item, (*place, at))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _timecodes(item, (*place, name))
