"""Disk space for a night: for all its films before it begins, and while it renders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from wan_render.errors import DiskFullError
from wan_render.farm.space_watch import LOOK_SECONDS, SpaceTerms
from wan_render.night.film_tonight import FilmTonight, Made
from wan_render.quiet_time import patience
from wan_render.status import expected_bytes, film_bytes
from wan_render.store.disk import free_disk_bytes, gigabytes

FINISHING_SECONDS = 1800.0
"""How long a film waits for space. Its takes are kept, so the next night makes it."""


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


def made_when_there_is_space(
    film: FilmTonight,
    make: Callable[[], Made],
    until: datetime | None,
    is_stopped: Callable[[], bool],
    say: Callable[[str], None],
) -> Made:
    """The film. If the disk is full, it is tried again when there is space. Raises what `make` raises."""
    ends = time.monotonic() + patience(FINISHING_SECONDS)
    was_said = False
    while True:
        try:
            return make()
        except DiskFullError as error:
            if not was_said:
                say(f"{film.slug} waits for space on the disk: {error.problems[0]}")
                was_said = True
            while True:
                if is_stopped() or _is_over(until) or time.monotonic() > ends:
                    raise
                time.sleep(LOOK_SECONDS)
                if free_disk_bytes(film.run.store.root) > film_bytes(film.run.plan):
                    break


def _is_over(until: datetime | None) -> bool:
    return until is not None and datetime.now(until.tzinfo) >= until
