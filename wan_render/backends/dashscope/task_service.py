"""The service's tasks over HTTP: submit, poll, fetch. Every answer is one of a few ends; nothing is retried blindly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wan_render.backends.dashscope.task_answers import NOT_KNOWN, TaskAnswer, is_task_id, new_task, task_answer
from wan_render.bounded_http import HttpError, HttpService, allowed_host, fetch_file
from wan_render.printable import one_line

ANSWER_SECONDS = 60.0
SUBMIT_SECONDS = 120.0
"""A submit carries two pictures."""

MOST_ANSWER_BYTES = 2**20
MOST_VIDEO_BYTES = 2 * 2**30
FETCH_SECONDS = 1800.0

SUBMIT_TRIES = 12
"""How often a submit is sent that the service surely did not take: no connection, or 429."""

POLL_TRIES = 40
"""How many polls in a row may fail before the take is left for the next run."""

FETCH_TRIES = 8

NOT_KNOWN_TIMES = 3
"""How many answers in a row must say that a task is not known."""

_AGAIN = (0, 200, 206, 408, 429, 500, 502, 503, 504)


class SubmitRefusedError(Exception):
    """The service took no order, for sure. found: why."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


class SubmitUnknownError(Exception):
    """Nobody knows whether the service took the order."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


class NoAnswerError(Exception):
    """The service does not answer, or refuses to tell. The task goes on there."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


class DeadUrlError(Exception):
    """The address of a video is refused for good."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


@dataclass(frozen=True)
class Pace:
    """How long to wait. poll: seconds before the first poll; they double every third time, up to five times as many,
    as the vendor's own client does."""

    poll: float = 1.0
    sleep: Callable[[float], None] = time.sleep

    def polls(self) -> Iterator[float]:
        """Seconds before each poll, for ever."""
        seconds, number = self.poll, 0
        while True:
            yield seconds
            number += 1
            if number % 3 == 0:
                seconds = min(2 * seconds, 5 * self.poll)

    def backs_off(self, tries: int) -> Iterator[float]:
        """Seconds after each of so many failures: doubling, up to thirty times the first."""
        for number in range(tries):
            yield min(self.poll * 2**number, 30 * self.poll)


@dataclass(frozen=True)
class TaskService:
    """One address of the service, with a key. hosts: from which videos are fetched."""

    base: str
    key: str = field(repr=False)
    hosts: tuple[str, ...]
    pace: Pace = Pace()

    def submit(self, path: str, body: Mapping[str, Any], is_alive: Callable[[], None]) -> str:
        """The id of a new task. It is sent again only if the service surely did not take it.

        is_alive: called only when no try was taken. Raises SubmitRefusedError; SubmitUnknownError.
        """
        found = ""
        for seconds in self.pace.backs_off(SUBMIT_TRIES):
            try:
                answer = self._http(SUBMIT_SECONDS).post_json(path, body, {"X-DashScope-Async": "enable"})
            except HttpError as error:
                found = self.without_key(str(error))
                if not error.was_sent or error.status == 429:
                    is_alive()
                    self.pace.sleep(seconds)
                    continue
                if 400 <= error.status < 500 and error.status != 408 and "code" in error.fields:
                    raise SubmitRefusedError(found) from None
                raise SubmitUnknownError(found) from None
            if (task := new_task(answer)) is not None and self.key not in task:  # ids are kept in the ledger
                return task
            raise SubmitUnknownError("the answer has no task id that could be one")
        raise SubmitRefusedError(found)

    def polled(self, task: str, is_alive: Callable[[], None]) -> Iterator[TaskAnswer]:
        """The answers about a task, one after the other. Raises NoAnswerError."""
        if not is_task_id(task):
            raise NoAnswerError("the ledger has no id of a task")
        failures, not_known = 0, 0
        for seconds in self.pace.polls():
            self.pace.sleep(seconds)
            is_alive()
            try:
                answer = self._poll(task)
            except HttpError as error:
                failures += 1
                if error.status not in _AGAIN or failures >= POLL_TRIES:
                    raise NoAnswerError(self.without_key(str(error))) from None
                continue
            failures = 0
            not_known = not_known + 1 if answer.status == NOT_KNOWN else 0
            if not 0 < not_known < NOT_KNOWN_TIMES:
                yield answer

    def fetch(self, url: str, file: Path, is_alive: Callable[[], None]) -> None:
        """Write a finished video to a file. Raises DeadUrlError; NoAnswerError; OSError."""
        if not allowed_host(url, self.hosts):
            raise DeadUrlError(f"the video's address is on no host of the service ({', '.join(self.hosts)})")
        found = ""
        for seconds in self.pace.backs_off(FETCH_TRIES):
            is_alive()
            try:
                fetch_file(url, file, MOST_VIDEO_BYTES, FETCH_SECONDS)
            except HttpError as error:
                found = _without_query(str(error))
                if error.status not in _AGAIN:
                    raise DeadUrlError(found) from None
                self.pace.sleep(seconds)
            else:
                return
        raise NoAnswerError(found)

    def without_key(self, text: str) -> str:
        """A text of the service's, which may repeat our key."""
        return one_line(text.replace(self.key, "***"))

    def _poll(self, task: str) -> TaskAnswer:
        """The answer to one poll. Raises HttpError."""
        try:
            answer = self._http(ANSWER_SECONDS).get_json(f"/tasks/{task}")
        except HttpError as error:
            if error.status == 404:
                return TaskAnswer(NOT_KNOWN, "", "the service has no such task", None)
            raise
        found = task_answer(answer)
        if found is None:
            raise HttpError("the answer to a poll has no status")
        return found

    def _http(self, seconds: float) -> HttpService:
        headers = {"Authorization": f"Bearer {self.key}"}
        return HttpService(self.base, seconds, MOST_ANSWER_BYTES, headers=headers)


def _without_query(text: str) -> str:
    """Without signatures of addresses."""
    return one_line(text.partition("?")[0])
