"""A part of a video file → its frames in the film's shape, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from wan_render.footage.any_video import DecodedFrame, decoded_frames, opened_video
from wan_render.footage.footage_facts import LEAST_FOOTAGE_SIDE, MOST_FRAMES
from wan_render.footage.footage_part import FootagePart, SizedFootage, nearest_footage_frame
from wan_render.plates.conform import fitted_picture
from wan_render.render_values import Pixels

_TICK = Fraction(1, 1000)
"""Containers round times to milliseconds."""


def conformed_frames(file: Path, wanted: SizedFootage, done: Callable[[int], None]) -> Iterator[Pixels]:
    """The frames of a part at its size, (height, width, 3) uint8 RGB. Where the file ends before it, the last frame is
    repeated.

    done: called with the number of frames. Raises UsageError if the file cannot be read.
    """
    part, given = wanted.part, 0
    last: Pixels | None = None
    for repeats, decoded in _counted(file, part):
        last = fitted_picture(decoded.picture(), wanted.size, part.focus, part.fit)
        for _ in range(repeats):
            yield last
            given += 1
            done(given)
    while last is not None and given < part.frames:
        yield last
        given += 1
        done(given)


def _counted(file: Path, part: FootagePart) -> Generator[tuple[int, DecodedFrame]]:
    """The frames that are shown, and how many times. The last one may come too few times."""
    moments = _moments(part)
    wanted = next(moments, None)
    before: DecodedFrame | None = None
    with opened_video(file) as container:
        start: Fraction | None = None
        for at, decoded in enumerate(decoded_frames(file, container, MOST_FRAMES, lambda _: None, LEAST_FOOTAGE_SIDE)):
            start = decoded.time if start is None else start
            moment = Fraction(at) if part.own_rate is not None else (decoded.time or Fraction(0)) - (start or 0)
            repeats = 0
            while before is not None and wanted is not None and wanted < moment:
                repeats, wanted = repeats + 1, next(moments, None)
            if before is not None and repeats:
                yield repeats, before
            if wanted is None:
                return
            before = decoded
    if before is not None and wanted is not None:
        yield 1, before


def _moments(part: FootagePart) -> Iterator[Fraction]:
    """The place of each wanted frame: a number in the file if its frames are evenly spaced, else a time."""
    own = part.own_rate
    for at in range(part.frames):
        if own is None:
            yield part.begin + at / part.rate + _TICK
        elif own == part.rate:
            yield Fraction(nearest_footage_frame(part.begin, own) + at)
        else:
            yield Fraction(nearest_footage_frame(part.begin + at / part.rate, own))


def frame_at(file: Path, at: int | Fraction) -> Pixels:
    """One frame of a file as it is shown, (height, width, 3) uint8 RGB. at: its number, or a moment in seconds."""
    own_rate = Fraction(1) if isinstance(at, int) else None  # one frame a second: its number is its time
    part = FootagePart("", Fraction(at), 1, Fraction(1), own_rate)
    with closing(_counted(file, part)) as frames:
        _, frame = next(frames)
        return frame.picture()
