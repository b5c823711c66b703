"""The flow `batch`: a night, as `wan-render night` holds it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from flows.deployments.announcing import announce_finished
from flows.deployments.requested import batch_paths, cost_limit
from flows.runs.conclusion import concluded
from flows.runs.farm_watch import FarmWatch
from flows.runs.night_tasks import NightTasks
from flows.runs.queued_films import QueuedFilms
from flows.runs.waiting_again import keep_until, kept_until, note_end
from flows.shown.names import batch_run_name
from flows.shown.night_artifact import NightTable
from flows.shown.night_log import NightLog
from flows.shown.progress import FilmProgress
from wan_render.errors import Drained
from wan_render.night.night_book import NightBook
from wan_render.night.night_hours import NightHours, hours_of
from wan_render.night.night_record import NIGHT_PAGE, FilmEntry, FilmState
from wan_render.night.night_request import NightRequest
from wan_render.night.night_summary import film_line, summary
from wan_render.night.whole_night import Night
from wan_render.production.render_order import RenderOrder
from wan_render.session.countdown import Expected
from wan_render.session.storyboard_folder import is_folder, storyboards_in
from wan_render.session.wording import counted


@flow(name="batch", flow_run_name=batch_run_name, persist_result=False)
def batch(
    folder: Path | list[Path] = Path("storyboards"),
    start: str = "",
    until: str = "",
    timezone: str = "",
    backend: str | None = None,
    outputs: Path | None = None,
    *,
    draft: bool = False,
    allow: list[Path] | None = None,
    max_cost: str | None = None,
) -> State[None]:
    """Make every film of a folder on one farm, the most important first.

    None of them waits for an approval: a batch is for a night that nobody attends, and Prefect suspends no flow that
    another one called.

    Args:
        folder: The folder, relative to the farm's, or several, or storyboards. The storyboards of a folder are its YAML
            files, and `storyboard.yaml` in each of its folders; what begins with `_` or `.` is left out.
        start: A time of day, `22:00`, to wait for; the run holds the queue while it waits. A schedule does not.
        until: A time of day, `07:00`, when the devices must be free; without it the night ends when all is rendered.
        timezone: Of both times, `Europe/Berlin`; else the farm's.
        backend: What renders instead of the models that the storyboards name: `animatic`.
        outputs: Where takes and films are kept; else WAN_RENDER_OUTPUTS, else the store that is found.
        draft: At the profile `draft`, into the films `<slug>-draft`.
        allow: Other folders whose files the storyboards may use.
        max_cost: The most that each film may cost at services, in its lifetime: `30 CNY`.
    """
    paths, others = batch_paths(folder), tuple(allow or ())

    def made() -> State[None]:
        limit = cost_limit(max_cost)
        request = NightRequest(paths, start, until, timezone, outputs, backend, draft, others, limit)
        window = hours_of(start, until, timezone, now := datetime.now(UTC))
        if (ends := kept_until()) is not None:  # it goes on after a drain, or after its machine died
            if ends <= now:
                return Cancelled(message="its night ended before the farm went on; finished takes are kept")
            window = replace(window, start=now.astimezone(window.zone), until=ends.astimezone(window.zone))
        return _ended(_held(request, window))

    return concluded(made)


def _held(request: NightRequest, window: NightHours) -> NightBook:
    files = [file for path in request.paths for file in (storyboards_in(path) if is_folder(path) else (path,))]
    table = NightTable(request.paths, files, request.outputs, request.draft)
    table.show()
    context = copy_context()  # the night's: films end in threads that know no run
    by_path = {str(file.absolute()): file for file in files}

    queued: QueuedFilms | None = None

    def ended(film: FilmEntry, state: State[None]) -> None:
        if queued is not None:
            queued.film_ended(film.storyboard, state)
        table.ended(by_path.get(film.storyboard, Path(film.storyboard)), state, film.lacks)
        if film.state in (FilmState.DONE, FilmState.UNCHANGED, FilmState.PARTIAL):
            announce_finished(film.slug)

    attempting = NightTasks(lambda film, state: context.copy().run(ended, film, state))
    with ExitStack() as published:

        def publish(orders: Sequence[RenderOrder], expected: Expected) -> FilmProgress:
            return published.enter_context(FilmProgress(orders, expected, at_once=True))

        log = NightLog(get_run_logger(), publish)
        night = Night(request, window, log, attempting)
        watch = FarmWatch(night.drain, lambda: None if night.running is None else night.running.farm)
        note_end(window.until)
        try:
            with QueuedFilms(night, UUID(str(flow_run.id))) as queued, watch:
                book = night.hold()
        except Drained:
            keep_until(window.until)
            raise
    table.ends(book.folder / NIGHT_PAGE)
    return book


def _ended(book: NightBook) -> State[None]:
    """The state of the run. Its message is what a notification says: five lines, and why films are not whole."""
    night, log = book.night, get_run_logger()
    lines = list(summary(night, book.folder))
    for line in lines:
        log.info("%s", line)
    unfinished = [film for film in night.films if film.state not in (FilmState.DONE, FilmState.UNCHANGED)]
    if not unfinished:
        return Completed(message="\n".join(lines))
    reasons = [film_line(film) for film in unfinished]
    found = f"not whole: {len(unfinished)} of {counted(len(night.films), 'film')}"
    log.error("%s:\n%s", found, "\n".join(reasons))
    return Failed(name="Partial", message="\n".join((f"{found}: {'; '.join(reasons)}", *lines[1:])))
