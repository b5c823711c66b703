"""What to do after a failure. Pure: no process, no clock; for every farm and every scheduler."""

from __future__ import annotations

import re
import threading
from collections import Counter
from enum import Enum

from wan_render.errors import DiskFullError, FfmpegMissingError, InputError, Problem, RenderError, WanRenderError


class Verdict(Enum):
    """What follows a failed attempt: another one, a slate, or the end of the film's rendering."""

    AGAIN = "again"
    GIVE_UP = "give up"
    STOP = "stop"


class Attempts:
    """The attempts of one film, counted. Safe for several threads.

    limit: attempts at one take, the first included; only a failure that is worth retrying gets a second one.
    alike: so many takes given up in a row, all for the same cause, stop the film: the next would end alike, and a
           night's electricity is worth more than a row of equal slates. What is wrong with a take's own input
           (a picture that changed) does not count; a full disk and a missing ffmpeg stop it at once. The film is made
           of what is there.
    """

    def __init__(self, limit: int = 3, alike: int = 3) -> None:
        self._limit, self._alike = limit, alike
        self._counts: Counter[str] = Counter()
        self._cause: object = None
        self._given_up: set[str] = set()
        self._stopped_by: WanRenderError | None = None
        self._lock = threading.Lock()

    def failed(self, key: str, error: WanRenderError) -> Verdict:
        """One attempt at the take `key` has failed."""
        with self._lock:
            self._counts[key] += 1
            if error.worth_retrying and self._counts[key] < self._limit and self._stopped_by is None:
                return Verdict.AGAIN
            return self._give_up(key, error)

    def finished(self, key: str) -> None:
        """The take is there; what is wrong is not wrong with everything."""
        with self._lock:
            del self._counts[key]
            self._given_up.clear()

    @property
    def stopped_by(self) -> WanRenderError | None:
        """The cause that stopped the film, or None: a take that was not tried yet is then not tried."""
        with self._lock:
            return self._stopped_by

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


def not_tried(shot: str, cause: WanRenderError) -> RenderError:
    """The error of a take that is not rendered because others failed alike before it."""
    first = cause.problems[0]
    return RenderError(
        Problem(shot, f"was not tried, as others before it failed alike ({first.found})", remedy=first.remedy)
    )


def _cause(error: WanRenderError) -> object:
    """Equal for two errors that differ in numbers and places only."""
    return type(error), tuple(re.sub(r"\d+", "#", problem.found) for problem in error.problems)
