"""Which shots of a night go to a service: those for which the devices here have no time until the morning.

It is decided when the night begins, from the same simulation that `plan FOLDER` shows. A shot goes if its storyboard
allows it, this machine has a key and the film's budget lasts, the cheapest first (session.cloud_choice). Without an end
of the night, everything is rendered here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from wan_render.night.evening import evening
from wan_render.night.night_hours import NightHours
from wan_render.night.night_request import Candidate
from wan_render.session.cloud_choice import takes_of


def with_spill_over(candidates: Sequence[Candidate], hours: NightHours) -> tuple[Candidate, ...]:
    """The films, with the shots at a service that there is no time for here. The plans of others are not made again."""
    if hours.until is None or not any(map(_may_spill, candidates)):
        return tuple(candidates)
    late = {(order.film, order.shot.split()[0]) for order in evening(candidates, hours).left_out}
    return tuple(_spilt(each, frozenset(shot for film, shot in late if film == each.slug)) for each in candidates)


def spill_words(candidates: Sequence[Candidate]) -> Iterator[str]:
    """One sentence for each film of which shots go to a service."""
    for each in candidates:
        if each.mistake is None and each.session.spilt:
            plan = each.session.plan_to_render
            gone = [shot for shot in plan.cloud_shots if shot in each.session.spilt and _is_hosted(each, shot)]
            if gone:
                yield f"{each.name}: no time here before the morning: a service renders {', '.join(gone)}"


def _may_spill(candidate: Candidate) -> bool:
    return candidate.mistake is None and bool(candidate.session.plan.cloud_shots)


def _spilt(candidate: Candidate, late: frozenset[str]) -> Candidate:
    if not _may_spill(candidate) or late.isdisjoint(candidate.session.plan.cloud_shots):
        return candidate
    return replace(candidate, session=replace(candidate.session, spilt=late))


def _is_hosted(candidate: Candidate, shot: str) -> bool:
    plan = candidate.session.plan_to_render
    return any(plan.models[take.model].hosted is not None for take in takes_of(plan, shot))
