"""Amounts as text."""

from __future__ import annotations

from math import ceil, floor

from wan_render.plan import FilmPlan

HOURS_TO_COUNT = 60
"""Longer durations are given in days: from two and a half on, rounding is off by a fifth at most."""

LONGEST_SECONDS = 10 * 365 * 24 * 3600.0
"""What takes longer has no end that a calendar could say."""

SHORTEST_WITH_RANGE = 100
"""Shorter times, in seconds, are given without a range."""

_STEPS = ((20, 1), (100, 5), (600, 10), (3600, 60))
"""Below so many minutes, the ends of a range are multiples of so many."""


def lasting(seconds: float) -> str:
    """`40 s`, `12 min`, `2 h 45 min`, `99 days`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < HOURS_TO_COUNT * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / 60 / 24:.0f} days"


def ranged(seconds: float, low: float, high: float, remark: str = "") -> str:
    """`5 h 10 min (4 h 40 to 6 h)`, `12 min (10 to 15 min, estimated)`. The range is rounded outwards. It is left out
    for short times, and if it is narrower than the steps in which it would be given."""
    inside = [remark] if remark else []
    step = next((step for below, step in _STEPS if high / 60 < below), 24 * 60)
    if seconds >= SHORTEST_WITH_RANGE and high - low >= 60 * step:
        inside.insert(0, _between(step * floor(low / 60 / step), step * ceil(high / 60 / step)))
    return lasting(seconds) + (f" ({', '.join(inside)})" if inside else "")


def _between(low: int, high: int) -> str:
    """A range of minutes."""
    if high < 100:
        return f"{low} to {high} min"
    if high < HOURS_TO_COUNT * 60:
        return f"{_clock(low)} to {_clock(high)}"
    return f"{low / 60 / 24:.0f} to {high / 60 / 24:.0f} days"


def _clock(minutes: int) -> str:
    """`40 min`, `5 h`, `5 h 10`."""
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h {rest:02d}" if rest else f"{hours} h"


def counted(number: int, thing: str) -> str:
    """`1 shot`, `4 shots`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def counted_shots(plan: FilmPlan) -> str:
    """`4 shots`, `4 shots, 2 bridges`."""
    shots = counted(len(plan.shots) - len(plan.bridges), "shot")
    return f"{shots}, {counted(len(plan.bridges), 'bridge')}" if plan.bridges else shots
