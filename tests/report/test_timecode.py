from __future__ import annotations

from fractions import Fraction

import pytest

from wan_render.report.timecode import clock, screen_time, timecode


@pytest.mark.parametrize(
    ("frame", "rate", "read"),
    [
        (0, 16, "00:00:00:00"),
        (321, 16, "00:00:20:01"),
        (16 * 3600 * 2 + 15, 16, "02:00:00:15"),
        (24, Fraction(24000, 1001), "00:00:01:00"),
    ],
)
def test_frames_read_as_timecode(frame: int, rate: int | Fraction, read: str) -> None:
    assert timecode(frame, Fraction(rate)) == read


@pytest.mark.parametrize(("frames", "read"), [(80, "5 s"), (81, "5.06 s"), (8, "0.5 s"), (160, "10 s")])
def test_frames_read_as_screen_time(frames: int, read: str) -> None:
    assert screen_time(frames, Fraction(16)) == read


@pytest.mark.parametrize(
    ("seconds", "read"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7639, "2 h 07 min")],
)
def test_durations_read_at_a_suitable_precision(seconds: float, read: str) -> None:
    assert clock(seconds) == read
