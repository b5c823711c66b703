"""What the checks say of takes in the store. Only measurements are stored: thresholds change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from wan_render.plan import JudgedTake, Rendered
from wan_render.quality.measurements import MEASURING, Measurements
from wan_render.quality.verdicts import Judgement, QcResult, QcVerdict, judge
from wan_render.store import Store

if TYPE_CHECKING:  # film_status needs this module
    from wan_render.status.film_status import ShotStatus


def measurements_of(store: Store, key: str) -> Measurements | None:
    """What was measured of a take; None if it is not in the store, was not measured, or with other measures."""
    try:
        found = store.record(key).measurements
    except (OSError, ValueError):
        return None
    return found if found is not None and found.version == MEASURING else None


def judgement_of(store: Store, key: str) -> Judgement | None:
    """The verdict on a take; None if it is not in the store, or was not measured."""
    found = measurements_of(store, key)
    return None if found is None else judge(found)


def reasons(judgement: Judgement, *verdicts: QcVerdict) -> str:
    """`jump, black, ghost 0.93 (limit 0.9) at frame 40`: the checks with these verdicts, and details of the worst one.
    Frames count from 0."""
    found = {name: result for name, result in judgement.checks.items() if result.verdict in verdicts}
    worst = max(found, key=lambda name: found[name].strain, default="")
    others = [name for name in found if name != worst]
    return ", ".join((*others, _reason(worst, found[worst]))) if found else ""


def _reason(name: str, result: QcResult) -> str:
    limit = "" if result.threshold is None else f" (limit {result.threshold:g})"
    value = "" if result.value is None else f" {result.value + 0.0:.3g}{limit}"  # no negative zero
    return f"{name}{value}" + ("" if result.frame is None else f" at frame {result.frame}")


def with_judgements(shots: Iterable[ShotStatus], store: Store) -> tuple[ShotStatus, ...]:
    """The shots, with what the checks say now of every take in the store."""
    return tuple(_with_judgements(shot, store) for shot in shots)


def _with_judgements(shot: ShotStatus, store: Store) -> ShotStatus:
    content = shot.planned.content if shot.planned is not None else None
    if not isinstance(content, Rendered) or not content.is_checked:
        return shot
    takes = tuple(replace(take, judgement=judgement_of(store, take.key)) for take in shot.takes)
    return replace(shot, takes=takes)


def judged_take(store: Store, key: str) -> JudgedTake | None:
    """What planning has to know of a take; None if it is not in the store."""
    if store.find(key) is None:
        return None
    found = judgement_of(store, key)
    if found is None:
        return JudgedTake()
    return JudgedTake(found.named(QcVerdict.FAIL), found.named(QcVerdict.FLAG), found.badness)
