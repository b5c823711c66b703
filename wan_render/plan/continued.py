"""A shot that others continue keeps its take once they are rendered: another one would render the chain again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wan_render.plan.film_plan import PlannedShot, Rendered
from wan_render.plan.film_take import Judged
from wan_render.plan.findings import Findings


def with_continued_take(
    shot: PlannedShot, following: Callable[[PlannedShot], PlannedShot], judged: Judged, findings: Findings
) -> PlannedShot:
    """The shot, with the take that the next shot already continues, if the shot's takes failed their checks later.

    following: the plan of the next shot, which begins on this one's last frame. What the checks would change is a
    warning. A circle changes the take in any case.
    """
    content = shot.content
    if not isinstance(content, Rendered) or not content.is_checked or content.circled is not None:
        return shot
    if len(content.takes) == 1:
        return shot
    found = {take.number: judged(take.take.key) for take in content.takes}
    failed = [number for number, take in found.items() if take is not None and take.is_failed]
    if not failed or _is_there(following(shot), judged):
        return shot
    for number in (number for number, take in found.items() if take is not None and number != content.chosen):
        kept = replace(shot, content=replace(content, chosen=number))
        if _is_there(following(kept), judged):
            _warn(kept, number, content.chosen, following(kept).id, findings)
            takes = tuple(take for take in content.takes if not take.retake or found[take.number] is not None)
            return replace(shot, content=replace(content, takes=takes, chosen=number))
    return shot


def _is_there(following: PlannedShot, judged: Judged) -> bool:
    """Whether the next shot's take in the film is in the store."""
    content = following.content
    if not isinstance(content, Rendered):
        return False
    return any(take.number == content.chosen and judged(take.take.key) is not None for take in content.takes)


def _warn(shot: PlannedShot, kept: int, better: int, following: str, findings: Findings) -> None:
    scene, place = shot.index
    found = f"the checks prefer take {better}, but {following} continues take {kept}, which stays in the film"
    remedy = f"write `circle: {better}` to change it; then {following} and what continues it are rendered again"
    findings.warn(("scenes", scene, "shots", place), found, "", remedy)
