"""Which bridges a film shows when it is made: those whose clips exist. The others become cuts, and this is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from wan_render.errors import Problem
from wan_render.plan import PlannedShot, Rendered
from wan_render.plan.bridges import without_bridges
from wan_render.printable import logger
from wan_render.production.run import Run
from wan_render.status import ShotStatus
from wan_render.store import Clip
from wan_render.take import Bridge

LOG = logger("wan_render.production")


def with_shown_bridges(run: Run, failures: Mapping[str, str], clip: Callable[[str], Clip | None]) -> Run:
    """The run, with a cut and a warning in place of each bridge that cannot be shown.

    failures: take key → why it could not be rendered. clip: the clip of a key, if it is intact.
    """
    cuts = dict(_cuts(run, failures, clip))
    if not cuts:
        return run
    shots = without_bridges(run.plan.shots, cuts)
    planned = {shot.id: shot for shot in shots}
    problems = tuple(
        Problem(shot.where, f"{shot.id} is a cut: {cuts[shot.id]}") for shot in run.plan.bridges if shot.id in cuts
    )
    statuses = (replace(shot, planned=planned.get(shot.id)) for shot in run.before.shots if shot.id not in cuts)
    return replace(
        run,
        plan=replace(run.plan, shots=shots, warnings=(*run.plan.warnings, *problems)),
        before=replace(run.before, shots=tuple(statuses)),
    )


def log_cuts(planned: Run, shown: Run) -> None:
    """Log every bridge that became a cut. planned: the run before `with_shown_bridges`."""
    for problem in shown.plan.warnings[len(planned.plan.warnings) :]:
        LOG.warning("%s", problem.found)


def _cuts(run: Run, failures: Mapping[str, str], clip: Callable[[str], Clip | None]) -> Iterator[tuple[str, str]]:
    """(id, reason) of each bridge that cannot be shown."""
    statuses = {shot.id: shot for shot in run.before.shots}
    for shot in run.plan.bridges:
        if reason := _reason(shot, statuses, failures, clip):
            yield shot.id, reason


def _reason(
    shot: PlannedShot,
    statuses: Mapping[str, ShotStatus],
    failures: Mapping[str, str],
    clip: Callable[[str], Clip | None],
) -> str:
    """Why a bridge cannot be shown; "" if it can."""
    if shot.bridges is None or not isinstance(shot.content, Rendered):
        return ""
    take = shot.content.takes[0].take
    for name, key in zip((shot.bridges.before, shot.bridges.after), _ends(take.bridge), strict=True):
        chosen = statuses[name].chosen
        if not chosen or clip(chosen) is None:
            return f"{name} has no clip"
        if chosen != key:
            return f"it was planned for another take of {name}"
    return "" if clip(take.key) is not None else failures.get(take.key, "it is not rendered")


def _ends(bridge: Bridge | None) -> tuple[str, str]:
    return ("", "") if bridge is None else (bridge.before.take, bridge.after.take)
