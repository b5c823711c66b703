"""Shots whose motion is evened when the film is made: joints that can be eased, and what that needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from wan_render.authored import Film
from wan_render.footage.footage_part import FootagePart
from wan_render.plan.film_plan import FilmPlan, PlannedShot, Rendered
from wan_render.plan.findings import Findings

KEYS = ("repair_jumps", "ease_joints")


def evened_shots(film: Film, shots: Sequence[PlannedShot]) -> tuple[PlannedShot, ...]:
    """The shots for which frames in between may be made because of these keys."""
    if film.repair_jumps == "on":
        return tuple(shot for shot in shots if isinstance(shot.content, Rendered))
    return shots_at_eased_joints(shots) if film.ease_joints == "on" else ()


def shots_at_eased_joints(shots: Sequence[PlannedShot]) -> tuple[PlannedShot, ...]:
    """The shots before and after the joints that can be eased, each once."""
    beside = {shot.id: shot for pair in pairwise(shots) if not why_not_eased(*pair) for shot in pair}
    return tuple(beside.values())


def why_not_eased(shot: PlannedShot, following: PlannedShot) -> str:
    """Why their joint cannot be eased, in a word or two; "" if it can."""
    if shot.joint is None or shot.joint.kind != "continuous":
        return shot.joint.kind if shot.joint is not None else "cut"
    if any(isinstance(each.content, FootagePart) for each in (shot, following)):
        return "video file"
    if not all(isinstance(each.content, Rendered) for each in (shot, following)):
        return "slate"
    return "hold" if shot.hold else ""


def motion_words(plan: FilmPlan) -> str:
    """`2 of 4 joints are eased if motion slows down there, late jumps are repaired`; "" if neither is asked for."""
    reasons = _reasons(plan.shots)
    eased = _eased_words(reasons) if plan.ease_joints else ""
    return ", ".join(filter(None, (eased, "late jumps are repaired" if plan.repair_jumps else "")))


def _reasons(shots: Sequence[PlannedShot]) -> list[str]:
    """Of each joint, why it cannot be eased; "" if it can. A bridge is a joint, not a shot with two."""
    return [why_not_eased(*pair) for pair in pairwise(shots) if pair[0].bridges is None]


def _eased_words(reasons: Sequence[str]) -> str:
    return f"{reasons.count('')} of {len(reasons)} joints are eased if motion slows down there"


def check_evening(shots: Sequence[PlannedShot], findings: Findings) -> None:
    """A mistake if the film's method makes no frames in between; else say which joints can be eased."""
    film = findings.document.storyboard.film
    asked = [key for key in KEYS if getattr(film, key) == "on"]
    if film.rate.method == "duplicate":
        for key in asked:
            found = "the film's method, duplicate, makes no frames in between"
            findings.error(("film", key), found, "flow, rife", "write film: {rate: {method: flow}}, or leave it out")
    if "ease_joints" in asked:
        _tell_of_joints(shots, findings)


def _tell_of_joints(shots: Sequence[PlannedShot], findings: Findings) -> None:
    reasons = _reasons(shots)
    others = Counter(reason for reason in reasons if reason)
    named = ", ".join(_counted(reason, count) for reason, count in others.items())
    place = ("film", "ease_joints")
    if "" in reasons:
        found = _eased_words(reasons)
        findings.note(place, f"{found}; not eased: {named}" if named else found)
    else:
        found = f"no joint can be eased: {named}" if named else "no joint can be eased: the film has one shot"
        allowed = "continuous joints of two rendered shots, without a hold"
        findings.warn(place, found, allowed, "leave it out, or let shots share keyframes")


def _counted(reason: str, count: int) -> str:
    return f"{count} {reason}" if count == 1 else f"{count} {reason}s"
