"""Finds and removes takes, stages, intermediates and logs that nothing needs any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from wan_render.keys import content_key
from wan_render.plan import FilmPlan, Rendered
from wan_render.store import Store
from wan_render.store.intermediates import KeptIntermediate
from wan_render.store.memory import Remembered
from wan_render.store.stages import KeptStage
from wan_render.store.take_logs import KeptLog
from wan_render.take import TAKE_FORM
from wan_render.take_fields import needs_of

STAGE_DAYS = 30
"""A stage that has not been used for this long may be deleted: it can be computed again."""

INTERMEDIATE_DAYS = 30
"""An intermediate that has not been used for this long may be deleted: it can be made again."""

LOG_DAYS = 30
"""A log that is older than this may be deleted."""


class Kind(StrEnum):
    """What may be deleted."""

    TAKE = "take"
    STAGE = "stage"
    INTERMEDIATE = "intermediate"
    LOG = "log"


@dataclass(frozen=True)
class Prunable:
    """A take, a stage, an intermediate or a log that may be deleted.

    folder: its folder; for a log, the file.
    what:   the film, shot and take that it was rendered for, in words; or the description of the stage or
            intermediate; or the name of the log.
    made:   when it was made; None if its record cannot be read. For a stage or an intermediate, when it was last used;
            for a log, when it was last written.
    """

    key: str
    folder: Path
    bytes: int
    what: str
    made: datetime | None
    kind: Kind = Kind.TAKE


def prunable(plan: FilmPlan, store: Store, keep: int, pins: Iterable[str] = ()) -> tuple[Prunable, ...]:
    """Everything that may be deleted, largest first: unused takes, damaged takes that were set aside, stages of unused
    takes, stages and intermediates that were not used for 30 days, and logs that are older than 30 days.

    These takes are used: takes of the plan; takes in the newest `keep` versions of its film and in every version of
    other films; takes that were last rendered under the shots of other films or under the plan's omitted shots; takes
    whose key begins with the digits of a pin, from the plan or `pins` (a plan does not contain the pins of omitted
    shots); and the takes that any of these begins on, ends on or is joined from.
    """
    pinned = (*pins, *_pins(plan))
    pinned_keys = (key for key in store.takes.keys() if pinned and key.startswith(pinned))  # noqa: SIM118
    used = _with_needed(store, (*_used(plan, store, keep), *pinned_keys))
    takes = (key for key in store.takes.keys() if key not in used)  # noqa: SIM118
    found = [_prunable(store, key) for key in takes] + [_damaged(folder) for folder in store.takes.set_aside()]
    found += [_stage(stage) for stage in store.stages.kept() if _is_idle(stage, used)]
    found += [_intermediate(kept) for kept in store.intermediates.kept() if _is_old(kept.used, INTERMEDIATE_DAYS)]
    found += [_log(log) for log in store.logs.kept() if _is_old(log.written, LOG_DAYS)]
    return tuple(sorted(found, key=lambda take: (-take.bytes, take.key)))


def prune(
    plan: FilmPlan, store: Store, keep: int, pins: Iterable[str] = (), *, waiting: Callable[[], None] = lambda: None
) -> tuple[Prunable, ...]:
    """Delete what `prunable` finds, once no run uses the folder. `waiting` is called if it has to wait.

    Raises DiskError if something cannot be deleted.
    """
    store.prepare()
    with store.alone(waiting):
        found = prunable(plan, store, keep, pins)
        for take in found:
            _delete(store, take)
    return found


def _delete(store: Store, found: Prunable) -> None:
    match found.kind:
        case Kind.TAKE:
            store.takes.delete(found.key, found.folder)
        case Kind.STAGE:
            store.stages.delete(found.folder)
        case Kind.INTERMEDIATE:
            store.intermediates.delete(found.folder)
        case Kind.LOG:
            store.logs.delete(found.folder)


def _with_needed(store: Store, keys: Iterable[str]) -> set[str]:
    """These keys and those that their records name, for plates from other takes and for segments."""
    used: set[str] = set()
    open_keys = list(keys)
    while open_keys:
        key = open_keys.pop()
        if key not in used:
            used.add(key)
            open_keys += _needed(store, key)
    return used


def _needed(store: Store, key: str) -> tuple[str, ...]:
    try:
        return needs_of(store.record(key).take)
    except (OSError, ValueError):
        return ()  # a take that does not exist needs nothing


def _used(plan: FilmPlan, store: Store, keep: int) -> Iterator[str]:
    yield from (take.key for take in plan.takes)
    for slug in store.films.slugs():
        versions = store.films.versions(slug)
        kept = versions[max(len(versions) - keep, 0) :] if slug == plan.slug else versions
        for film in kept:
            yield from film.takes
        remembered = store.memory.remembered(slug)
        shots = plan.omitted if slug == plan.slug else tuple(remembered)
        yield from _remembered_keys(remembered, shots)


def _remembered_keys(remembered: Remembered, shots: Iterable[str]) -> Iterator[str]:
    for shot in shots:
        for fields in remembered.get(shot, {}).values():
            yield content_key(TAKE_FORM, fields)


def _pins(plan: FilmPlan) -> Iterator[str]:
    for shot in plan.shots:
        if isinstance(shot.content, Rendered) and shot.content.pin is not None:
            yield shot.content.pin


def _prunable(store: Store, key: str) -> Prunable:
    folder = store.takes.folder / key
    try:
        record = store.record(key)
    except (OSError, ValueError):
        return Prunable(key, folder, _bytes(folder), "its record cannot be read", None)
    made_for = record.provenance
    what = f"{made_for.film} {made_for.shot} take {made_for.number}".strip()
    return Prunable(key, folder, _bytes(folder), what, record.made)


def _is_idle(stage: KeptStage, used: Collection[str]) -> bool:
    if stage.take:
        return stage.take not in used
    return _is_old(stage.used, STAGE_DAYS)


def _is_old(last: float, days: int) -> bool:
    return time.time() - last > days * 86400


def _stage(stage: KeptStage) -> Prunable:
    used = datetime.fromtimestamp(stage.used, UTC)
    return Prunable(stage.folder.name.rpartition(".")[2], stage.folder, stage.bytes, stage.what, used, Kind.STAGE)


def _intermediate(kept: KeptIntermediate) -> Prunable:
    used = datetime.fromtimestamp(kept.used, UTC)
    return Prunable(kept.folder.name, kept.folder, kept.bytes, kept.what, used, Kind.INTERMEDIATE)


def _log(log: KeptLog) -> Prunable:
    return Prunable("", log.file, log.bytes, log.file.name, datetime.fromtimestamp(log.written, UTC), Kind.LOG)


def _damaged(folder: Path) -> Prunable:
    return Prunable(folder.name.partition("-")[0], folder, _bytes(folder), "damaged, set aside", None)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
