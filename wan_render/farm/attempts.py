"""What to do after a failure. Pure: no process, no clock, no thread."""

from __future__ import annotations

import re
from collections import defaultdict
from enum import Enum

from wan_render.errors import DiskFullError, FfmpegMissingError, InputError, Problem, RenderError, WanRenderError
from wan_render.production.render_order import RenderOrder

ATTEMPTS = 3
"""At one take, the first included."""


class Verdict(Enum):
    """What follows a failed attempt: another one, a slate, or the end of the film's rendering."""

    AGAIN = "again"
    GIVE_UP = "give up"
    STOP = "stop"


class Attempts:
    """The failed attempts of one film. Not for several threads: the scheduler has a lock.

    limit: attempts at one take, the first included; only a failure that is worth retrying gets a second one.
    alike: rendering stops after this many consecutive takes were given up for the same cause. The next would end
           alike, and a night's electricity is worth more than a row of equal slates. What is wrong with a take's own
           input (a picture that changed) does not count; a full disk and a missing ffmpeg stop it at once. The film is
           made of what is there.
    """

    def __init__(self, limit: int = ATTEMPTS, alike: int = 3) -> None:
        self._limit, self._alike = limit, alike
        self._errors: defaultdict[str, list[WanRenderError]] = defaultdict(list)
        self._cause: object = None
        self._given_up: set[str] = set()
        self._stopped_by: WanRenderError | None = None

    def number(self, key: str) -> int:
        """Which attempt at the take `key` is the next, from 1."""
        return len(self._errors[key]) + 1

    def failed(self, key: str, error: WanRenderError) -> Verdict:
        """One attempt at the take `key` has failed."""
        self._errors[key].append(error)
        if error.worth_retrying and len(self._errors[key]) < self._limit and self._stopped_by is None:
            return Verdict.AGAIN
        return self._give_up(key, error)

    def finished(self, key: str) -> None:
        """The take is there; what is wrong is not wrong with everything."""
        self._errors.pop(key, None)
        self._given_up.clear()

    def refusal(self, order: RenderOrder) -> WanRenderError | None:
        """Why no further attempt is made at a take: the film was stopped. The take's own failure where it had one.
        None while attempts are made."""
        if self._stopped_by is None:
            return None
        errors = self._errors[order.take.key]
        return errors[-1] if errors else _not_tried(order.shot, self._stopped_by)

    def _give_up(self, key: str, error: WanRenderError) -> Verdict:
        if isinstance(error, InputError):
            return Verdict.GIVE_UP
        if self._cause != (cause := _cause(error)):
            self._cause = cause
            self._given_up.clear()
        self._given_up.add(key)
        if len(self._given_up) < self._alike and not isinstance(error, DiskFullError | FfmpegMissingError):
            return Verdict.GIVE_UP
        self._stopped_by = error
        return Verdict.STOP


def _not_tried(shot: str, cause: WanRenderError) -> RenderError:
    first = cause.problems[0]
    return RenderError(
        Problem(shot, f"was not tried, as others before it failed alike ({first.found})", remedy=first.remedy)
    )


def _cause(error: WanRenderError) -> object:
    """Equal for two errors that differ in numbers and places only."""
    return type(error), tuple(re.sub(r"\d+", "#", problem.found) for problem in error.problems)
