"""A film that somebody asks the farm for, and whether the queue has it already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows.farm_queue.film_queue import HOLDING, QueuedFilm, Standing
from flows.farm_queue.local_time import local_clock
from wan_render.price import Price

AFTER = timedelta(milliseconds=1)
"""How long after another film for the same time one is due: the farm's order is that of the times."""


@dataclass(frozen=True)
class FilmRequest:
    """A film to queue. `storyboard`: absolute. `at`: not before then; None for now. `seconds`: how long it would take.
    The rest are the parameters of film/now."""

    slug: str
    storyboard: Path
    backend: str | None
    outputs: Path
    only: str | None
    draft: bool
    approval: bool
    at: datetime | None = None
    seconds: float = field(default=0.0, compare=False)
    priority: int | None = None
    allow: tuple[Path, ...] = ()
    max_cost: Price | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """As film/now takes them."""
        return {
            "storyboard": str(self.storyboard),
            "backend": self.backend,
            "outputs": str(self.outputs),
            "only": self.only,
            "draft": self.draft,
            "approval": self.approval,
            **({} if self.priority is None else {"priority": self.priority}),
            **({"allow": list(map(str, self.allow))} if self.allow else {}),
            **({} if self.max_cost is None else {"max_cost": str(self.max_cost)}),
        }


def waiting_film(request: FilmRequest, queue: Sequence[QueuedFilm]) -> QueuedFilm | None:
    """The same film in the queue, if it has not started, or will read its storyboard again because it is to be
    approved."""
    return next((film for film in queue if _is_its_film(request, film) and film.standing not in HOLDING), None)


def runs_now(request: FilmRequest, queue: Sequence[QueuedFilm]) -> bool:
    """Whether the same film is being made."""
    return any(_is_its_film(request, film) and film.standing in HOLDING for film in queue)


def differences(request: FilmRequest, film: QueuedFilm, now: datetime) -> tuple[str, ...]:
    """How the film in the queue was asked for, as far as it was asked for in another way; () for the same request."""
    return tuple(_differences(request, film, now))


def due_after(at: datetime, queue: Sequence[QueuedFilm]) -> datetime:
    """When a film is due that is asked for at some time: after those that were asked for at the same one."""
    same = [film.due for film in queue if at <= film.due < at + timedelta(seconds=1)]
    return max((*(due + AFTER for due in same), at))


def _is_its_film(request: FilmRequest, film: QueuedFilm) -> bool:
    return not film.is_batch and film.slug == request.slug


def _differences(request: FilmRequest, film: QueuedFilm, now: datetime) -> Iterator[str]:
    asked: Mapping[str, Any] = film.parameters
    if not _is_same_file(Path(str(asked.get("storyboard", ""))), request.storyboard):
        yield f"storyboard {asked.get('storyboard')}"
    if asked.get("outputs") not in (None, str(request.outputs)):
        yield f"outputs {asked['outputs']}"
    if asked.get("backend") not in (None, request.backend):
        yield f"backend {asked['backend']}"
    if (only := _text(asked.get("only"))) != _text(request.only):
        yield f"only {only}" if only else "all shots"
    if bool(asked.get("approval")) != request.approval:
        yield "with approval" if asked.get("approval") else "without approval"
    if asked.get("priority") != request.priority:
        yield "without priority" if asked.get("priority") is None else f"priority {asked['priority']}"
    if tuple(map(str, request.allow)) != (others := tuple(asked.get("allow") or ())):
        yield f"allowing {', '.join(others)}" if others else "without --allow"
    if _text(request.max_cost) != (limit := _text(asked.get("max_cost"))):
        yield f"for at most {limit}" if limit else "without --max-cost"
    if _is_other_time(request, film):
        yield f"at {local_clock(film.due, now)}" if film.standing is Standing.LATER else "as soon as possible"


def _is_same_file(asked: Path, storyboard: Path) -> bool:
    """A path that Prefect was given may be relative to the farm's folder."""
    if asked.is_absolute():
        return os.path.normpath(asked) == os.path.normpath(storyboard)
    return storyboard.parts[-len(asked.parts) :] == asked.parts


def _is_other_time(request: FilmRequest, film: QueuedFilm) -> bool:
    if film.standing is Standing.LATER:
        return request.at is None or not request.at <= film.due < request.at + timedelta(seconds=1)
    return request.at is not None and film.standing is Standing.WAITING


def _text(value: object) -> str:
    return "" if value is None else str(value)
