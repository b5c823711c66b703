"""Films of the queue that a night takes along: their runs of film/now follow it, and end with their film.

A night holds the queue for hours. What is asked for in the meantime would wait for its end, although the devices are
warm and the night has an order of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Pending

from flows.deployments.requested import allowed, cost_limit
from flows.farm_home.home import farm_home
from flows.farm_home.run_lock import hold
from flows.farm_queue.film_queue import CANCELLED, QueuedFilm, Standing, read_queue
from flows.runs.approval import ask_first
from flows.runs.followed_run import FollowedRun, Join
from flows.shown.names import FOLLOWS, MOVED_UP, WAITS_FOR
from wan_render.errors import WanRenderError
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.night_request import Candidate, NightRequest, check_film_alone
from wan_render.night.night_run import NightRun
from wan_render.night.whole_night import Night
from wan_render.price import Price
from wan_render.printable import logger, one_line, shortened

LOOK_SECONDS = 3.0
"""How often the queue is read."""

_log = logger(__name__)


class QueuedFilms:
    """Takes films out of the queue while a night runs; a context, for the night's own thread. Whatever goes wrong here
    costs no film of the night."""

    def __init__(self, night: Night, run: UUID) -> None:
        """run: that of the night."""
        self._night, self._run = night, run
        self._followed: list[FollowedRun] = []
        self._joined: set[FilmTonight] = set()
        self._ended: dict[str, State[None]] = {}
        self._left: set[UUID] = set()
        self._held: set[UUID] = set()
        self._moved_up = ""
        self._over = threading.Event()
        self._lock = threading.Lock()

    def film_ended(self, storyboard: str, state: State[None]) -> None:
        """A film of the night has ended: so do the runs that follow it. storyboard: its absolute path."""
        with self._lock:
            self._ended[storyboard] = state
            for followed in self._followed:
                if followed.film is not None and _path(followed.film) == storyboard:
                    followed.end(state)

    def __enter__(self) -> Self:
        look_on = partial(copy_context().run, self._look_on)  # its log is that of the night's run
        self._thread = threading.Thread(target=look_on, name="takes films from the queue", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(LOOK_SECONDS)
        for followed in self._followed:
            followed.close()

    def _look_on(self) -> None:
        with get_client(sync_client=True) as client:
            while not self._over.wait(LOOK_SECONDS):
                try:
                    self._look(client)
                except (httpx.HTTPError, PrefectException, OSError) as error:
                    _log.info("the queue cannot be read at the moment: %s", error)
                except Exception as error:  # noqa: BLE001 - the films stay in the queue, and the night goes on
                    _log.warning("no more films are taken out of the queue: a defect: %s", error, exc_info=error)
                    return

    def _look(self, client: SyncPrefectClient) -> None:
        running = self._night.running
        if running is None or not running.is_rendering:
            return
        with self._lock:
            self._followed = [each for each in self._followed if not each.is_over]
        queue = read_queue(client)
        self._cancel({queued.run for queued in queue if queued.standing is Standing.STOPPING}, running)
        for queued in queue:
            if queued.standing is Standing.WAITING and not queued.is_batch and queued.run not in self._left:
                self._take(client, queued, running)
        slug = str(client.read_flow_run(self._run).labels.get(MOVED_UP, ""))
        if slug and slug != self._moved_up:
            self._moved_up = slug
            for film in running.unfinished:
                if film.slug == slug:
                    running.move_up(film)

    def _cancel(self, runs: Collection[UUID], running: NightRun) -> None:
        """Somebody cancelled these runs. A film that only they asked for leaves the night."""
        with self._lock:
            cancelled = [each for each in self._followed if each.run.id in runs]
            self._followed = [each for each in self._followed if each not in cancelled]
        for each in cancelled:
            each.end(Cancelled(message=CANCELLED))
            if each.film is not None:
                self._leave_film(each.film, running)

    def _take(self, client: SyncPrefectClient, queued: QueuedFilm, running: NightRun) -> None:
        """Let a film's run follow the night, if the night can render it; else say why it waits."""
        try:
            candidate, join = self._joining(queued, running)
        except (WanRenderError, _WaitsError) as error:
            self._leave(client, queued, str(error))
            return
        if queued.run not in self._held and not hold(farm_home(Path.cwd()), str(queued.run)):
            return
        self._held.add(queued.run)
        client.update_flow_run_labels(queued.run, {FOLLOWS: str(self._run)})
        answer: OrchestrationResult[None] = client.set_flow_run_state(
            queued.run, Pending(message="rendered in the night that runs")
        )
        if answer.state is None or not answer.state.is_pending():
            return
        _log.info("%s: taken out of the queue into this night", candidate.name)
        with self._lock:
            run = client.read_flow_run(queued.run)
            self._followed.append(
                FollowedRun(run, candidate.name, candidate.file, join, partial(self._has_joined, running=running))
            )

    def _joining(self, queued: QueuedFilm, running: NightRun) -> tuple[Candidate, Join]:
        """The film of a run, and how it joins the night. Raises _WaitsError or WanRenderError if it has to wait for the
        night's end."""
        asked, only = queued.parameters, _only(queued.parameters)
        request, file = _request(self._night.request, asked), Path(str(asked.get("storyboard")))
        found = next((film for film in running.films if _is_same(film, file, queued.slug)), None)
        if found is not None and not asked.get("approval"):
            if found not in running.unfinished:
                raise _WaitsError("the night has made it already")
            if found.candidate.only not in ("", only):
                raise _WaitsError(f"the night renders only {found.candidate.only} of it")
            if found.candidate.session.max_cost != request.max_cost:
                raise _WaitsError(f"the night renders it {_limited(found.candidate.session.max_cost)}")
            return found.candidate, lambda: found
        if found is not None:
            raise _WaitsError("the night renders it without an approval")
        candidate = check_film_alone(request, file, asked.get("priority"), only)
        if candidate.mistake is not None:
            raise candidate.mistake
        if (name := candidate.session.backend.id) != running.backend_id:
            raise _WaitsError(f"it is rendered by {_name(name)}, the night by {_name(running.backend_id)}")
        if asked.get("approval"):
            session = replace(candidate.session, retakes=0)  # nobody approved them
            candidate = replace(candidate, session=session)
            return candidate, lambda: self._approved(candidate, running)
        return candidate, lambda: self._join(candidate, running)

    def _approved(self, candidate: Candidate, running: NightRun) -> FilmTonight | None:
        """Join when every take was approved. Raises Pause if a person has to be asked."""
        ask_first(candidate.session, candidate.only)
        return self._join(candidate, running)

    def _join(self, candidate: Candidate, running: NightRun) -> FilmTonight | None:
        film = running.join(candidate)
        if film is not None:
            with self._lock:
                self._joined.add(film)
        return film

    def _has_joined(self, followed: FollowedRun, running: NightRun) -> None:
        """A run follows its film from now on. In the meantime the film may have ended, or somebody may have cancelled
        the run; or the night ends, and takes no more films."""
        with self._lock:
            is_cancelled = followed not in self._followed
            if followed.film is None:
                self._left.add(followed.run.id)
            elif (state := self._ended.get(_path(followed.film))) is not None:
                followed.end(state)
        if is_cancelled and followed.film is not None:
            self._leave_film(followed.film, running)

    def _leave_film(self, film: FilmTonight, running: NightRun) -> None:
        """Nobody wants this film any more, unless the night itself, or another run that follows it, does."""
        with self._lock:
            is_wanted = film not in self._joined or any(each.film is film for each in self._followed)
        if not is_wanted:
            running.leave(film)

    def _leave(self, client: SyncPrefectClient, queued: QueuedFilm, why: str) -> None:
        """It stays in the queue until the night's end."""
        self._left.add(queued.run)
        words = shortened(one_line(f"waits for the night's end: {why}"))
        _log.warning("%s %s", queued.slug, words)
        client.update_flow_run_labels(queued.run, {WAITS_FOR: words})


class _WaitsError(Exception):
    """Why a film cannot be rendered in the night that runs."""


def _request(night: NightRequest, asked: Mapping[str, Any]) -> NightRequest:
    """What the night would ask for. A limit of spending of the request's own must be in the night's currency, and the
    lower one holds. Raises _WaitsError; UsageError for an invalid limit."""
    outputs, limit = asked.get("outputs"), cost_limit(asked.get("max_cost"))
    if limit is not None and night.max_cost is not None:
        if limit.currency != night.max_cost.currency:
            raise _WaitsError(f"its limit is {limit}, and that of the night is in {night.max_cost.currency}")
        limit = min(limit, night.max_cost, key=lambda price: price.amount)
    return replace(
        night,
        outputs=None if outputs is None else Path(str(outputs)),
        backend=asked.get("backend"),
        draft=bool(asked.get("draft")),
        allow=allowed(asked.get("allow")),
        max_cost=limit or night.max_cost,
    )


def _limited(limit: Price | None) -> str:
    return "without --max-cost" if limit is None else f"for at most {limit}"


def _is_same(film: FilmTonight, file: Path, slug: str) -> bool:
    return film.slug == slug and os.path.realpath(film.candidate.file) == os.path.realpath(file)


def _path(film: FilmTonight) -> str:
    return str(film.candidate.file.absolute())


def _only(asked: Mapping[str, Any]) -> str:
    """The shots that a request names; "" for all. Prefect's UI makes a number of `2`."""
    only = asked.get("only")
    return "" if only is None else str(only)


def _name(backend_id: str) -> str:
    return backend_id.partition("/")[0]
