"""A clip → the film frames that it shows, at the film's rate, as a lossless file. Few frames are in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from wan_render.cut import ClipSource, Event
from wan_render.errors import MachineError, Problem
from wan_render.keys import ADDED_LATER
from wan_render.media.ahead import ahead
from wan_render.media.clip import read_on, write_pictures
from wan_render.media.clip_coding import INTERMEDIATE_CODING
from wan_render.media.part_progress import OnDone
from wan_render.render_values import Pixels
from wan_render.retime.gaps import Gap, gaps
from wan_render.retime.interpolator import Interpolator, Pair, interpolator
from wan_render.take import Size

AHEAD_PAIRS, AHEAD_PICTURES = 8, 8
"""How far decoding is ahead of interpolating, and interpolating of encoding."""


@dataclass(frozen=True)
class RetimedPart:
    """Everything that determines a retimed clip: the method, the fields of its Event, its clip, and the clip that
    follows at a continuous joint ("" for none)."""

    form: str
    clip: str
    first: int
    frames: int
    hold: bool
    rate: Fraction
    film_rate: Fraction
    following: str = ""
    following_first: int = 0
    pace: tuple[Fraction, ...] | None = field(default=None, metadata=ADDED_LATER)

    @property
    def gaps(self) -> Sequence[Gap]:
        """Which frames of its clip each film frame lies between."""
        event = Event(
            "", ClipSource(self.clip), self.first, self.frames, int(self.hold), rate=self.rate, pace=self.pace
        )
        return gaps(event, self.film_rate, continues=bool(self.following))


@dataclass(frozen=True)
class ClipToRetime:
    """What a process needs to retime one clip. following: the file of the clip that follows. target: where the result
    goes."""

    part: RetimedPart
    clip: Path
    following: Path | None
    size: Size
    weights: Path | None
    target: Path

    @property
    def frames(self) -> int:
        """The length of the result."""
        return self.part.frames


class ClipRetimer:
    """Retimes clips on one device. A network stays loaded between them."""

    def __init__(self, device: str) -> None:
        """device: `cuda` or `cpu`, as torch names them in a process that sees only one GPU."""
        self._device = device
        self._loaded: dict[tuple[str, Path | None], Interpolator] = {}

    def retime(self, job: ClipToRetime, progress: OnDone) -> None:
        """Write the target, atomically. Decoding, interpolating and encoding run in three threads.

        progress: called with the frames done and their total. Raises MachineError for a clip that cannot be read,
        DiskError, WeightsError, OutOfMemoryError.
        """
        known = (job.part.form, job.weights)
        if known not in self._loaded:
            self._loaded = {known: interpolator(job.part.form, self._device, job.weights)}
        with (
            ahead(_placed(job), AHEAD_PAIRS) as placed,
            ahead(_interpolated(placed, self._loaded[known]), AHEAD_PICTURES, are_read=False) as pictures,
        ):
            counted = _counted(pictures, job.part.frames, progress)
            write_pictures(job.target, counted, job.size, job.part.film_rate, INTERMEDIATE_CODING)


def _counted(pictures: Iterator[Pixels], total: int, progress: OnDone) -> Iterator[Pixels]:
    for done, picture in enumerate(pictures, 1):
        yield picture
        progress(done, total)


def _placed(job: ClipToRetime) -> Iterator[Pair]:
    """The pair of each gap. Its parts may include 0."""
    found = job.part.gaps
    frames = _Frames(job.clip, found[0].left)
    for gap in found:
        left = frames.at(gap.left)
        if left is None:
            raise MachineError(_too_short(job.clip, gap.left))
        right = _following(job) if gap.meets else frames.at(gap.left + 1) if any(gap.parts) else None
        yield Pair(left, left if right is None else right, gap.parts)


def _following(job: ClipToRetime) -> Pixels | None:
    return None if job.following is None else next(read_on(job.following, job.part.following_first, 1), None)


class _Frames:
    """The frames of a clip in order, with the one before."""

    def __init__(self, clip: Path, first: int) -> None:
        self._frames = read_on(clip, first)
        self._known: dict[int, Pixels] = {}
        self._next = first

    def at(self, index: int) -> Pixels | None:
        """A frame not before the last one but one that was asked for; None after the end of the clip."""
        while self._next <= index:
            frame = next(self._frames, None)
            if frame is None:
                return None
            self._known = {at: known for at, known in self._known.items() if at == self._next - 1}
            self._known[self._next] = frame
            self._next += 1
        return self._known[index]


def _interpolated(placed: Iterator[Pair], method: Interpolator) -> Iterator[Pixels]:
    """Every picture of every pair, in order. A part of 0 is the left picture itself."""
    taken: deque[Pair] = deque()

    def wanted() -> Iterator[Pair]:
        for pair in placed:
            taken.append(pair)
            yield replace(pair, parts=tuple(filter(None, pair.parts)))

    for made in method.between(wanted()):
        pair, between = taken.popleft(), iter(made)
        for part in pair.parts:
            yield next(between) if part else pair.left


def _too_short(clip: Path, frame: int) -> Problem:
    again = "run the same command again: a damaged take is set aside and rendered again"
    return Problem(str(clip), f"is too short: frame {frame} is missing", "", again)
