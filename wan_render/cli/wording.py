"""How amounts are said to people."""

from __future__ import annotations


def gigabytes(count: int) -> str:
    """`139.8 GB`, powers of ten; megabytes below one gigabyte."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def lasting(seconds: float) -> str:
    """`40 s`, `12 min`, `2 h 45 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def counted(number: int, thing: str) -> str:
    """`1 shot`, `4 shots`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
