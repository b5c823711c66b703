"""`qc calibrate`: propose limits from the takes that were circled and refused in storyboards."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict

from wan_render.cli.chosen_session import session_of
from wan_render.errors import Problem, UsageError
from wan_render.plan import PlannedShot, Rendered
from wan_render.quality.calibration import ChosenTake, ThresholdProposal, proposed_thresholds
from wan_render.session.film_session import Session
from wan_render.session.wording import counted
from wan_render.status import measurements_of
from wan_render.take_fields import key_of


def calibrate(arguments: argparse.Namespace) -> int:
    """Print a proposal for each limit. Raises UsageError without a storyboard, or if one has mistakes."""
    if not arguments.storyboards:
        raise UsageError(
            Problem("qc calibrate", "missing storyboard", "for example: qc calibrate film/storyboard.yaml")
        )
    chosen: list[ChosenTake] = []
    for file in arguments.storyboards:
        single = argparse.Namespace(**{**vars(arguments), "file": file})
        chosen += _chosen(session_of(single).with_backend_of_newest_film())
    proposals = proposed_thresholds(chosen)
    if arguments.json:
        print(json.dumps({"version": 1, "proposals": [_as_json(each) for each in proposals]}, indent=2))
        return 0
    circled = sum(take.is_circled for take in chosen)
    for each in proposals:
        print(_line(each))
    print(f"{counted(circled, 'circled take')} and {counted(len(chosen) - circled, 'refused take')} with measurements")
    return 0


def _chosen(session: Session) -> Iterator[ChosenTake]:
    """The circled and refused takes of a film that were measured."""
    remembered = session.store.memory.remembered(session.plan.slug)
    for planned in session.plan.shots:
        takes = remembered.get(planned.id, {})
        for number, is_circled in _choices(session, planned):
            fields = takes.get(number)
            found = measurements_of(session.store, key_of(fields)) if fields is not None else None
            if found is not None:
                yield ChosenTake(found, is_circled)


def _choices(session: Session, planned: PlannedShot) -> Iterator[tuple[int, bool]]:
    """Numbers of takes, and whether each is circled."""
    if not isinstance(planned.content, Rendered):
        return
    scene, shot = planned.index
    authored = session.document.storyboard.scenes[scene].shots[shot]
    if authored.circle is not None:
        yield authored.circle.take, True
    yield from ((number, False) for number in authored.ng)


def _line(each: ThresholdProposal) -> str:
    row = each.threshold
    limit = f"{row.fail:g} -> {each.fail:g}" if each.is_change else f"{row.fail:g}"
    found = f"circled {each.circled_failing} of {each.circled} fail, refused {each.refused_failing} of {each.refused}"
    return f"  {row.check:10} {row.measure:15} {limit:14}  {found}: {each.why}"


def _as_json(each: ThresholdProposal) -> dict[str, object]:
    row = each.threshold
    counts = {name: value for name, value in asdict(each).items() if name not in {"threshold", "fail"}}
    return {"check": row.check, "measure": row.measure, "limit": row.fail, "proposed": each.fail, **counts}
