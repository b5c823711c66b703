"""Frames and seconds as readable text."""

from __future__ import annotations

from fractions import Fraction


def timecode(frame: int, rate: Fraction) -> str:
    """Non-drop timecode `HH:MM:SS:FF` of a film frame (from 0). FF counts up to the rounded rate, as in editing
    software."""
    per_second = round(rate)
    seconds, rest = divmod(frame, per_second)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}:{rest:02}"


def screen_time(frames: int, rate: Fraction) -> str:
    """Duration of some frames: `5 s`, `5.06 s`."""
    return f"{float(frames / rate):.2f}".rstrip("0").rstrip(".") + " s"


def clock(seconds: float) -> str:
    """A duration at a suitable precision: `0.4 s`, `48 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"
