"""Amounts as text."""

from __future__ import annotations

from wan_render.store.disk import gigabytes

HOURS_TO_COUNT = 60
"""Longer durations are given in days: from two and a half on, rounding is off by a fifth at most."""

__all__ = ["counted", "gigabytes", "lasting"]


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


def counted(number: int, thing: str) -> str:
    """`1 shot`, `4 shots`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
