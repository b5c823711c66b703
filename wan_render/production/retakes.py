"""A run whose plan has changed because takes failed their checks: what is rendered now, and what no longer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wan_render.plan import FilmPlan, Rendered
from wan_render.production.order import orders
from wan_render.production.render_order import RenderOrder
from wan_render.production.run import Run
from wan_render.quality.verdicts import Judgement, QcVerdict
from wan_render.status import ShotStatus, State, TakeStatus, judgement_of, status


def checked_take(run: Run, order: RenderOrder) -> Judgement | None:
    """What the checks say of the take that an order rendered; None if it is no take of a shot, or is not checked."""
    checked = [
        shot.content for shot in run.plan.shots if isinstance(shot.content, Rendered) and shot.content.is_checked
    ]
    is_a_shots = any(order.take.key == take.take.key for content in checked for take in content.takes)
    return judgement_of(run.store, order.take.key) if is_a_shots else None


def is_of_failed_shot(run: Run, order: RenderOrder) -> bool:
    """Whether an order is for a shot of which a take in the store has failed its checks."""
    shots = (shot for shot in run.before.shots if any(take.key == order.take.key for take in shot.takes))
    found = (judgement_of(run.store, take.key) for shot in shots for take in shot.takes)
    return any(judgement is not None and judgement.verdict is QcVerdict.FAIL for judgement in found)


def planned_again(run: Run, plan: FilmPlan) -> Run:
    """The run with another plan of the same film. Its status stays that of the beginning; its orders are those of the
    former plan that are still wanted, and the new ones, each after those that it needs."""
    now = status(plan, run.store, run.backend)
    former = {order.take.key: order for order in run.orders}
    store = next((order.store for order in run.orders), None)
    wanted = orders(plan, now, run.backend, run.only, run.unable)
    new = tuple(replace(order, store=store) for order in wanted if order.take.key not in former)
    kept = tuple(order for order in run.orders if order.take.key in plan.by_key)
    before = {take.key: take for shot in run.before.shots for take in shot.takes}
    shots = {shot.id: shot for shot in run.before.shots}
    found = replace(
        now,
        shots=tuple(_as_before(shot, shots.get(shot.id), before, former) for shot in now.shots),
        times={**run.before.times, **now.times},
        paintings=run.before.paintings,
    )
    return replace(run, plan=plan, before=found, orders=(*kept, *new))


def _as_before(
    shot: ShotStatus,
    former: ShotStatus | None,
    takes: Mapping[str, TakeStatus],
    ordered: Mapping[str, RenderOrder],
) -> ShotStatus:
    """The shot with the states of the beginning of the run."""
    found = tuple(_take_as_before(take, takes.get(take.key), ordered.get(take.key)) for take in shot.takes)
    if former is None:
        return replace(shot, takes=found)
    return replace(shot, takes=found, state=former.state, why=former.why)


def _take_as_before(take: TakeStatus, former: TakeStatus | None, order: RenderOrder | None) -> TakeStatus:
    if former is not None:
        return replace(take, state=former.state, why=former.why, clip=former.clip)
    return take if order is None else replace(take, state=State.MISSING, why=order.why, clip=None)
