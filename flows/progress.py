"""How far a task is, as a bar in the UI, and how long it took."""

from __future__ import annotations

import time
from typing import cast
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException

SECONDS = 3.0
"""No bar is written more often: each time is an event that whoever watches sees go by."""


class Bar:
    """One progress artifact of the task in whose thread it is used; none is made for a shorter task."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._artifact: UUID | None = None
        self._told = time.monotonic()

    def show(self, done: int, total: int, doing: str = "") -> None:
        """`done` of `total`."""
        now = time.monotonic()
        if total and now - self._told >= SECONDS:
            self._told = now
            self._write(100 * done / total, f"{self._description} {doing}".strip())

    def end(self) -> None:
        """All is done."""
        if self._artifact is not None:
            self._write(100.0, self._description)

    def _write(self, percent: float, description: str) -> None:
        try:
            if self._artifact is None:
                self._artifact = cast("UUID", create_progress_artifact(percent, description=description))
            else:
                update_progress_artifact(self._artifact, percent, description)
        except (httpx.HTTPError, PrefectException):
            pass  # a server that is away costs the bar, not the take
