"""Which takes a film shows when it is made: those that its plan chose, as far as they exist."""

from __future__ import annotations

from dataclasses import replace

from wan_render.plan import JudgedTake, Rendered, film_take
from wan_render.printable import logger
from wan_render.production.run import Run
from wan_render.status import ShotStatus, TakeStatus, judged_take, reasons, with_judgements

LOG = logger("wan_render.production")


def with_shown_takes(run: Run) -> Run:
    """The run, with what the checks say of every take, and with an existing take where a retake was not rendered."""
    shots = tuple(_with_existing_take(run, shot) for shot in with_judgements(run.before.shots, run.store))
    return replace(run, before=replace(run.before, shots=shots))


def log_failed_takes(run: Run) -> None:
    """Log every shot whose take in the film has failed its checks: there was no better one."""
    if run.backend.is_preview:
        return
    for shot in run.before.shots:
        take = next((take for take in shot.takes if take.key == shot.chosen), None)
        if take is not None and take.has_failed and take.judgement is not None:
            why = reasons(take.judgement, take.judgement.verdict)
            LOG.warning("%s: the film shows take %d, which failed its checks: %s", shot.id, take.number, why)


def best_existing(run: Run, shot: ShotStatus) -> str:
    """The key of the take that the rule for films chooses among those that exist; the chosen one if none does."""
    existing = [take for take in shot.takes if run.store.find(take.key) is not None]
    if not existing:
        return shot.chosen
    return film_take(existing, None, lambda take: _judged(run, take)).key


def _judged(run: Run, take: TakeStatus) -> JudgedTake | None:
    """What the rule knows of a take. The checks of a preview, and those that are off, do not count."""
    return None if run.backend.is_preview or take.judgement is None else judged_take(run.store, take.key)


def _with_existing_take(run: Run, shot: ShotStatus) -> ShotStatus:
    """The shot, with its best failed take if the retake that was to replace it does not exist."""
    content = shot.planned.content if shot.planned is not None else None
    if not isinstance(content, Rendered) or content.circled is not None or run.store.find(shot.chosen) is not None:
        return shot
    if run.backend.is_preview or not any(take.has_failed for take in shot.takes):
        return shot
    return replace(shot, chosen=best_existing(run, shot))
