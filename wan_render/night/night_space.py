"""Disk space for a night: for all its films before it begins, and while it renders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from wan_render.errors import DiskFullError
from wan_render.farm.space_watch import LOOK_SECONDS, SpaceTerms
from wan_render.night.film_tonight import FilmTonight, Made
from wan_render.night.night_request import Candidate
from wan_render.status import expected_bytes, film_bytes
from wan_render.store.disk import free_disk_bytes, gigabytes

BEGINNING_SECONDS = 60.0
"""How long the beginning of a film waits for space: the other films wait with it."""

FINISHING_SECONDS = 1800.0
"""How long a film waits for space. Its takes are kept, so the next night makes it."""


Say = Callable[[str], None]
T = TypeVar("T")


def shortages(films: Iterable[FilmTonight]) -> Iterator[str]:
    """A sentence for each disk on which all films of the night do not fit together. Each alone was checked before."""
    disks: dict[int, list[FilmTonight]] = {}
    for film in films:
        disks.setdefault(film.run.store.root.stat().st_dev, []).append(film)
    for those in disks.values():
        root = those[0].run.store.root
        needed = sum(
            expected_bytes(film.run.plan, [order.take for order in film.orders], film.run.store) for film in those
        )
        if (free := free_disk_bytes(root)) < needed:
            yield (
                f"{root}: all films of the night need about {gigabytes(needed)}, and {gigabytes(free)} are free: takes "
                "will wait for space when it runs out"
            )


def space_terms(
    left: Callable[[], Iterable[FilmTonight]], until: datetime | None, say: Callable[[str], None]
) -> SpaceTerms:
    """left: the films that are not made yet; there must be room to finish them."""

    def reserve(root: Path) -> int:
        return sum(film_bytes(film.run.plan) for film in left() if film.run.store.root.absolute() == root.absolute())

    return SpaceTerms(reserve, lambda: _is_over(until), say)


def begun_when_there_is_space(candidate: Candidate, begin: Callable[[], FilmTonight], say: Say) -> FilmTonight:
    """The begun film. If the disk is full for a moment, it is tried again. Raises what `begin` raises."""
    return _tried_again(candidate.name, begin, BEGINNING_SECONDS, lambda: False, say)


def made_when_there_is_space(
    film: FilmTonight, make: Callable[[], Made], until: datetime | None, is_stopped: Callable[[], bool], say: Say
) -> Made:
    """The film. If the disk is full for it or a deliverable, it is tried again when there is space. Raises what `make`
    raises."""
    made: Made | None = None

    def whole() -> Made:
        nonlocal made
        made = make()
        for error in made.version.unmade:
            if isinstance(error, DiskFullError):
                raise error
        return made

    try:
        return _tried_again(film.slug, whole, FINISHING_SECONDS, lambda: is_stopped() or _is_over(until), say)
    except DiskFullError:
        if made is None:
            raise
        return made


def _tried_again(name: str, make: Callable[[], T], seconds: float, is_over: Callable[[], bool], say: Say) -> T:
    ends = time.monotonic() + seconds
    was_said = False
    while True:
        try:
            return make()
        except DiskFullError as error:
            if is_over() or time.monotonic() > ends:
                raise
            if not was_said:
                say(f"{name} waits for space on the disk: {error.problems[0]}")
                was_said = True
            time.sleep(LOOK_SECONDS)


def _is_over(until: datetime | None) -> bool:
    return until is not None and datetime.now(until.tzinfo) >= until
