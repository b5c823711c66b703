"""When the films of a queue are expected to start and to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flows.farm_queue.film_queue import HOLDING, QueuedFilm, Standing
from flows.farm_queue.run_progress import RunProgress
from wan_render.session.wording import LONGEST_SECONDS


@dataclass(frozen=True)
class ExpectedTimes:
    """None where nobody can know: a film before it has no estimate, or somebody must approve it or resume the queue."""

    start: datetime | None
    end: datetime | None


def forecast_queue(
    queue: Sequence[QueuedFilm], now: datetime, progress: Mapping[UUID, RunProgress], *, is_paused: bool = False
) -> dict[UUID, ExpectedTimes]:
    """By run. `queue`: in order; `progress`: of the runs that have told any. is_paused: nothing begins.

    One film runs after the other. Films that wait for approval hold nobody up.
    """
    found: dict[UUID, ExpectedTimes] = {}
    free: datetime | None = now
    for film in queue:
        if film.standing is Standing.UNAPPROVED or (is_paused and film.standing not in HOLDING):
            found[film.run] = ExpectedTimes(None, None)
            continue
        start = film.started if film.standing in HOLDING else None
        if start is None and free is not None:
            start = max(free, film.due)
        said = progress.get(film.run)
        free = _end(film, start, now, None if said is None else said.seconds_left(now))
        found[film.run] = ExpectedTimes(start, free)
    return found


def _end(film: QueuedFilm, start: datetime | None, now: datetime, left: float | None) -> datetime | None:
    if left is not None and left <= LONGEST_SECONDS:
        return now + timedelta(seconds=left)
    if start is None or film.expected_seconds is None or film.expected_seconds > LONGEST_SECONDS:
        return None
    return max(start + timedelta(seconds=film.expected_seconds), now)
