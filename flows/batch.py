"""The flow `batch`: a night, as `wan-render night` holds it."""

from __future__ import annotations

from contextlib import ExitStack
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.deployments.announcing import announce_finished
from flows.deployments.requested import batch_paths
from flows.runs.conclusion import concluded
from flows.runs.night_tasks import NightTasks
from flows.runs.queued_films import QueuedFilms
from flows.shown.names import batch_run_name
from flows.shown.night_artifact import NightTable
from flows.shown.night_log import NightLog
from flows.shown.progress import FilmProgress
from wan_render.night.night_book import NightBook
from wan_render.night.night_hours import hours_of
from wan_render.night.night_record import NIGHT_PAGE, FilmEntry, FilmState
from wan_render.night.night_request import NightRequest
from wan_render.night.night_summary import film_line, summary
from wan_render.night.whole_night import Night
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
    """
    return concluded(
        lambda: _ended(_held(NightRequest(batch_paths(folder), start, until, timezone, outputs, backend, draft)))
    )


def _held(request: NightRequest) -> NightBook:
    files = [file for path in request.paths for file in (storyboards_in(path) if is_folder(path) else (path,))]
    table = NightTable(request.paths, files, request.outputs, request.draft)
    table.show()
    context = copy_context()  # the night's: films end in threads that know no run
    by_path = {str(file.absolute()): file for file in files}

    queued: QueuedFilms | None = None

    def ended(film: FilmEntry, state: State[None]) -> None:
        if queued is not None:
            queued.film_ended(film.storyboard, state)
        table.ended(by_path.get(film.storyboard, Path(film.storyboard)), state)
        if film.state in (FilmState.DONE, FilmState.UNCHANGED, FilmState.PARTIAL):
            announce_finished(film.slug)

    attempting = NightTasks(lambda film, state: context.copy().run(ended, film, state))
    window = hours_of(request.start, request.until, request.timezone, datetime.now(UTC))
    with ExitStack() as published:
        log = NightLog(
            get_run_logger(), lambda orders, expected: published.enter_context(FilmProgress(orders, expected))
        )
        night = Night(request, window, log, attempting)
        with QueuedFilms(night, UUID(str(flow_run.id))) as queued:
            book = night.hold()
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
