"""Films are cut and encoded while others still render: in threads of their own, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from wan_render.errors import Problem, Stopped
from wan_render.farm.device_lending import DeviceLending
from wan_render.night.film_tonight import FilmTonight, Made
from wan_render.night.night_space import made_when_there_is_space
from wan_render.production.film_stages import FilmStage

AT_ONCE = 2
"""How many films are encoded at a time. An encode uses several cores, which device processes need as well."""

Ended = Callable[[FilmTonight, Made | BaseException], None]


class Finishing:
    """Makes films that are given to it. `ended` is called for each, in its thread, with the film or why there is none.

    One film's failure never concerns another. lending: of the farm while it is at work; a film that is upscaled
    borrows a device of it.
    """

    def __init__(
        self,
        ended: Ended,
        progress: Callable[[FilmTonight, FilmStage], None],
        say: Callable[[str], None],
        until: datetime | None = None,
    ) -> None:
        """until: when the window ends. No film waits for space on the disk longer than that, or occupies a device."""
        self._ended, self._progress, self._say, self._until = ended, progress, say, until
        self._threads = ThreadPoolExecutor(AT_ONCE, "films")
        self._given: set[FilmTonight] = set()
        self._futures: list[Future[None]] = []
        self._lock = threading.Lock()
        self._is_stopped = threading.Event()
        self.lending: DeviceLending | None = None

    def give(self, film: FilmTonight) -> None:
        """Make this film of what exists, unless it was given before."""
        with self._lock:
            if film in self._given or self._is_stopped.is_set():
                return
            self._given.add(film)
            self._futures.append(self._threads.submit(self._make, film))

    def wait(self) -> None:
        """Wait until every given film has ended."""
        self._threads.shutdown(wait=True)

    def stop(self) -> None:
        """Give up what is being made: nothing of it becomes visible."""
        self._is_stopped.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _make(self, film: FilmTonight) -> None:
        def progress(stage: FilmStage) -> None:
            if self._is_stopped.is_set():
                raise Stopped(Problem(film.slug, "was stopped"))
            self._progress(film, stage)

        result: Made | BaseException
        try:
            result = made_when_there_is_space(
                film,
                lambda: film.make(progress, self._say, self.lending, self._until),
                self._until,
                self._is_stopped.is_set,
                self._say,
            )
        except BaseException as error:  # noqa: BLE001 - it is the outcome of this film
            result = error
        if not self._is_stopped.is_set():
            self._ended(film, result)
