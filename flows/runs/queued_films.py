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

from flows.farm_home.home import farm_home
from flows.farm_home.run_lock import hold
from flows.farm_queue.film_queue import CANCELLED, QueuedFilm, Standing, read_queue
from flows.runs.night_tasks import FollowedRun
from flows.shown.names import MOVED_UP
from wan_render.errors import WanRenderError
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.night_request import NightRequest, check_film_alone
from wan_render.night.night_run import NightRun
from wan_render.night.whole_night import Night
from wan_render.printable import logger

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
        self._left: set[UUID] = set()
        self._moved_up = ""
        self._over = threading.Event()
        self._lock = threading.Lock()

    def film_ended(self, storyboard: str, state: State[None]) -> None:
        """A film of the night has ended: so do the runs that follow it. storyboard: its absolute path."""
        with self._lock:
            for followed in self._followed:
                if str(followed.film.candidate.file.absolute()) == storyboard:
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
        queue = read_queue(client)
        self._cancel({queued.run for queued in queue if queued.standing is Standing.STOPPING}, running)
        for queued in queue:
            if queued.standing is Standing.WAITING and not queued.is_batch and queued.run not in self._left:
                self._take(client, queued)
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
            followed = {each.film for each in self._followed}
        for each in cancelled:
            each.end(Cancelled(message=CANCELLED))
            if each.film in self._joined and each.film not in followed:
                running.leave(each.film)

    def _take(self, client: SyncPrefectClient, queued: QueuedFilm) -> None:
        """Let a film's run follow the night, if the night can render it."""
        film = self._film(queued)
        if film is None:
            self._left.add(queued.run)
            return
        if not hold(farm_home(Path.cwd()), str(queued.run)):
            return
        answer: OrchestrationResult[None] = client.set_flow_run_state(
            queued.run, Pending(message="rendered in the night that runs")
        )
        if answer.state is None or not answer.state.is_pending():
            return
        _log.info("%s: taken out of the queue into this night", film.slug)
        with self._lock:
            self._followed.append(FollowedRun(client.read_flow_run(queued.run), film))

    def _film(self, queued: QueuedFilm) -> FilmTonight | None:
        """The film of a run, in this night. None if it has to wait for the night's end: for an approval, for some shots
        only, or because its storyboard has mistakes."""
        asked, running = queued.parameters, self._night.running
        if running is None or asked.get("only") is not None or asked.get("approval"):
            return None
        request, file = _request(self._night.request, asked), Path(str(asked.get("storyboard")))
        found = next((film for film in running.unfinished if _is_same(film, file, queued.slug)), None)
        if found is not None:
            return found
        try:
            candidate = check_film_alone(request, file, asked.get("priority"))
            if candidate.session.backend.id != running.backend_id:
                return None
            joined = running.join(candidate)
            if joined is not None:
                self._joined.add(joined)
            return joined
        except WanRenderError as error:
            _log.warning("%s stays in the queue: %s", queued.slug, error)
            return None


def _request(night: NightRequest, asked: Mapping[str, Any]) -> NightRequest:
    outputs = asked.get("outputs")
    return replace(
        night,
        outputs=None if outputs is None else Path(str(outputs)),
        backend=asked.get("backend"),
        draft=bool(asked.get("draft")),
    )


def _is_same(film: FilmTonight, file: Path, slug: str) -> bool:
    return film.slug == slug and os.path.realpath(film.candidate.file) == os.path.realpath(file)
