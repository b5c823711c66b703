"""What to do after a failure. Pure: no process, no clock, no thread."""

from __future__ import annotations

import re
from collections import defaultdict
from enum import Enum

from wan_render.errors import (
    DiskFullError,
    FfmpegMissingError,
    InputError,
    OutOfMemoryError,
    Problem,
    RenderError,
    ServiceError,
    WanRenderError,
)
from wan_render.production.render_order import RenderOrder

ATTEMPTS = 3
"""The most attempts at one take, including the first."""

OFFLOAD_LEVELS = 2
"""How often a renderer can use less memory (see Workspace.tighter and backends.wan.memory.offload_choice). A take that
runs out of memory gets as many attempts more: the levels come before another device."""

MOST_ATTEMPTS = ATTEMPTS + OFFLOAD_LEVELS
"""The most attempts at a take, whatever happens."""


class Verdict(Enum):
    """What follows a failed attempt: another one, a slate, or the end of the film's rendering."""

    AGAIN = "again"
    GIVE_UP = "give up"
    STOP = "stop"


class Attempts:
    """The failed attempts of one film. Not thread-safe: the scheduler holds a lock.

    limit: the most attempts at one take, including the first. Only failures that are worth retrying are retried.
    alike: rendering stops after this many consecutive takes were given up for the same cause. The next one would fail
           too. A fault in a take's own input (a picture that changed) or of a service does not count. A full disk or a
           missing ffmpeg stops rendering at once. The film is made from the takes that exist.
    waits_for_space: whether each attempt waits until there is space on the disk (see FarmSettings.space). Then one that
           finds the disk full after all is retried as others are.
    """

    def __init__(self, limit: int = ATTEMPTS, alike: int = 3, *, waits_for_space: bool = False) -> None:
        self._limit, self._alike, self._waits_for_space = limit, alike, waits_for_space
        self._errors: defaultdict[str, list[WanRenderError]] = defaultdict(list)
        self._cause: object = None
        self._given_up: set[str] = set()
        self._stopped_by: WanRenderError | None = None

    def number(self, key: str) -> int:
        """The number of the next attempt at the take `key`, from 1."""
        return len(self._errors[key]) + 1

    def failed(self, key: str, error: WanRenderError) -> Verdict:
        """Note a failed attempt at the take `key`; what follows from it."""
        self._errors[key].append(error)
        is_worth_it = error.worth_retrying or (isinstance(error, DiskFullError) and self._waits_for_space)
        if is_worth_it and len(self._errors[key]) < self._most(key) and self._stopped_by is None:
            return Verdict.AGAIN
        return self._give_up(key, error)

    def finished(self, key: str) -> None:
        """Note that the take was rendered: not every take fails."""
        self._errors.pop(key, None)
        self._given_up.clear()

    def last_error(self, key: str) -> WanRenderError | None:
        """How the last attempt at the take failed; None if none has failed."""
        errors = self._errors[key]
        return errors[-1] if errors else None

    def refusal(self, order: RenderOrder) -> WanRenderError | None:
        """Why the take gets no further attempt once rendering was stopped: its own last failure, else what stopped the
        rendering. None while rendering goes on."""
        if self._stopped_by is None:
            return None
        return self.last_error(order.take.key) or _not_tried(order.shot, self._stopped_by)

    def _most(self, key: str) -> int:
        is_large = any(isinstance(error, OutOfMemoryError) for error in self._errors[key])
        return self._limit + (OFFLOAD_LEVELS if is_large else 0)

    def _give_up(self, key: str, error: WanRenderError) -> Verdict:
        if isinstance(error, InputError | ServiceError):
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
        Problem(shot, f"was not tried: takes before it failed for the same reason ({first.found})", remedy=first.remedy)
    )


def _cause(error: WanRenderError) -> object:
    """Equal for two errors that differ only in numbers and places."""
    return type(error), tuple(re.sub(r"\d+", "#", problem.found) for problem in error.problems)
