"""The queue as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

from flows.deployments.pool import POOL
from flows.farm_queue.film_queue import HOLDING, QueuedFilm, Standing, read_queue
from flows.farm_queue.local_time import local_clock
from flows.farm_queue.queue_forecast import ExpectedTimes, forecast_queue
from flows.farm_queue.run_progress import RunProgress, read_progress
from wan_render.errors import Problem, UsageError
from wan_render.printable import LONGEST_SHOWN, shown
from wan_render.session.columns import aligned

PAUSED = f"the queue is paused: nothing begins until you type: prefect work-pool resume {POOL}"

HEADER = ("film", "state", "progress", "starts", "done", "asked by")
MOST_NAMED = 10
"""Films that a message lists."""


@dataclass(frozen=True)
class QueueReport:
    """The queue in its order at `now`, and what is known of each run. is_paused: nothing that waits begins."""

    queue: tuple[QueuedFilm, ...]
    progress: Mapping[UUID, RunProgress]
    times: Mapping[UUID, ExpectedTimes]
    now: datetime
    is_paused: bool = False

    def lines(self) -> Iterator[str]:
        """A table, printable."""
        if self.queue:
            yield from aligned([HEADER, *map(self._row, self.queue)])
        else:
            yield "nothing runs, nothing waits"
        if self.is_paused:
            yield PAUSED

    def as_json(self) -> dict[str, Any]:
        """For `--json`, version 1. Times are ISO 8601 in UTC; null is unknown."""
        return {"version": 1, "paused": self.is_paused, "queue": [self.entry(film) for film in self.queue]}

    def _row(self, film: QueuedFilm) -> tuple[str, ...]:
        times = self.times[film.run]
        progress = self.progress.get(film.run)
        return (
            f"{film.slug} (batch)" if film.is_batch else film.slug,
            film.standing.value,
            progress.words if progress else film.waits_for if film.standing is Standing.WAITING else "",
            self._start(film, times.start),
            f"about {local_clock(times.end, self.now)}" if times.end else "",
            film.requested_by,
        )

    def _start(self, film: QueuedFilm, expected: datetime | None) -> str:
        if film.standing is Standing.LATER:
            return local_clock(film.due, self.now)
        return f"about {local_clock(expected, self.now)}" if expected and film.standing not in HOLDING else ""

    def entry(self, film: QueuedFilm) -> dict[str, Any]:
        """One run of the queue, as in `--json`."""
        times, progress = self.times[film.run], self.progress.get(film.run)
        return {
            "film": film.slug,
            "batch": film.is_batch,
            "state": film.standing.value,
            "progress": progress.done if progress else None,
            "doing": progress.words if progress else "",
            "waits_for": film.waits_for,
            "asked_by": film.requested_by,
            "asked_at": utc(film.requested),
            "due": utc(film.due),
            "started": utc(film.started),
            "expected_start": utc(times.start),
            "expected_end": utc(times.end),
            "run": str(film.run),
            "parameters": dict(film.parameters),
        }


def read_report(client: SyncPrefectClient) -> QueueReport:
    """The queue of a farm's server as it is now."""
    queue, now = next_of_schedules(read_queue(client)), datetime.now(UTC)
    progress = read_progress(client, queue)
    is_paused = reads_paused(client)
    return QueueReport(queue, progress, forecast_queue(queue, now, progress, is_paused=is_paused), now, is_paused)


def reads_paused(client: SyncPrefectClient) -> bool:
    """Whether somebody has paused the queue."""
    return client.read_work_pool(POOL).is_paused


def next_of_schedules(queue: Sequence[QueuedFilm]) -> tuple[QueuedFilm, ...]:
    """Without what schedules will ask for later: Prefect plans several nights ahead, and only the next is news."""
    nights = {film.slug: film.run for film in reversed(queue) if _is_night(film)}
    return tuple(film for film in queue if not _is_night(film) or nights[film.slug] == film.run)


def films_called(name: str, queue: Sequence[QueuedFilm]) -> tuple[QueuedFilm, ...]:
    """The runs of one film, or of one batch, in order. Raises UsageError if there is none."""
    found = tuple(film for film in queue if film.slug == name)
    if not found:
        raise UsageError(not_in_queue(name, queue))
    return found


def not_in_queue(name: str, queue: Sequence[QueuedFilm]) -> Problem:
    """What is said of a film that neither runs nor waits."""
    names = list(dict.fromkeys(film.slug for film in queue))
    close = get_close_matches(name[:LONGEST_SHOWN], names, n=1)
    allowed = f"the queue has {', '.join(names[:MOST_NAMED])}" if names else "the queue is empty"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return Problem(shown(name), "no film of the queue", allowed + more, f"did you mean '{close[0]}'?" if close else "")


def _is_night(film: QueuedFilm) -> bool:
    return film.is_scheduled and film.standing is Standing.LATER


def utc(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, to the second."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
