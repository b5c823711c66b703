"""What takes of a film cost at services: in words for `plan`, `render`, the page and the morning, and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from wan_render.backends import rendered_by
from wan_render.errors import Problem
from wan_render.plan import FilmPlan
from wan_render.price import Price
from wan_render.purchase import Purchase, spent, spent_words
from wan_render.session.cloud_choice import left_to_spend, price_of, takes_of
from wan_render.session.columns import aligned
from wan_render.session.film_session import Session
from wan_render.session.plan_devices import PlanDevices
from wan_render.session.wording import counted, lasting
from wan_render.status import FilmStatus, expected_times
from wan_render.store import Store
from wan_render.take import Take


def cloud_lines(session: Session, found: FilmStatus, here: PlanDevices) -> Iterator[str]:
    """For `plan`: what is to be bought, what is spent, and local hours beside cloud money for each shot that can be
    rendered in both places. Nothing for a preview, which costs nothing."""
    if session.backend.is_preview:
        return
    plan, store = session.plan, session.store
    to_buy = _to_buy(plan, found, store)
    if to_buy:
        yield f"cloud: {counted(len(to_buy), 'take')}, {_at_most(plan, to_buy)}{_limits(plan, store)}"
    elif plan.cloud_shots or store.purchases.read(plan.slug):
        yield f"cloud: nothing to buy{_limits(plan, store)}"
    yield from (f"cloud: to look at: {line}" for line in to_look_at(store.purchases.read(plan.slug)))
    beside = session.plans_beside
    if beside is None:
        return
    rows = list(_both(session, found, here, *beside))
    yield from aligned([(f"  {name}", local, cloud, where) for name, local, cloud, where in rows])


def money_shortage(session: Session, found: FilmStatus) -> Problem | None:
    """A warning if what is left to spend can't pay for all takes that are to be ordered. None for a preview."""
    plan, store = session.plan, session.store
    to_buy = _to_buy(plan, found, store)
    if session.backend.is_preview or _is_enough(plan, to_buy, store):
        return None
    left = left_to_spend(plan, store)
    return Problem(
        plan.allowance.set_by,
        f"{counted(len(to_buy), 'take')} to order, {_at_most(plan, to_buy)}",
        f"{left} left of {plan.allowance.limit}",
        f"raise {plan.allowance.set_by}; without it, only what it pays for is ordered",
    )


def _both(
    session: Session, found: FilmStatus, devices: PlanDevices, here: FilmPlan, there: FilmPlan
) -> Iterator[tuple[str, str, str, str]]:
    """A shot, its time here, its price there, and where it is rendered; for the shots that are not finished."""
    missing = {take.key for take in found.to_render}
    labels = {device.label for device in devices.devices}
    for shot in here.cloud_shots:
        now = takes_of(session.plan, shot)
        if missing.isdisjoint(take.key for take in now):
            continue
        local = takes_of(here, shot)
        times = expected_times(local, session.store, session.backend, devices.kind, labels, here.models)
        hours = f"here about {lasting(sum(time.seconds for time in times.values()))}"
        cloud = takes_of(there, shot)
        is_there = any(_costs(session.plan, take) for take in now)
        where = "in the cloud" if is_there else f"here ({_why_here(session, there, shot, cloud)})"
        yield shot, hours, f"cloud {_at_most(there, cloud)}", f"→ {where}"


def _why_here(session: Session, there: FilmPlan, shot: str, cloud: Sequence[Take]) -> str:
    """Why a shot is not rendered by the service that may render it."""
    if session.is_local_first and shot not in session.spilt:
        return "there is time for it"
    card = there.models[cloud[0].model]
    lacking = rendered_by(card.backend, session.backend).missing(card)
    if lacking is not None:
        return f"{lacking.found}: {lacking.allowed}" if lacking.allowed else lacking.found
    return "no price is known" if price_of(there, cloud) is None else "the limit does not allow it"


def to_look_at(purchases: Collection[Purchase]) -> Iterator[str]:
    """One sentence for each purchase that a person has to look at."""
    for each in purchases:
        if each.is_unsettled:
            task = f", task {each.task}" if each.task else ""
            yield f"{each.label}: {each.state.value}, {each.counted}{task}: {each.note or 'being ordered'}"


def money_json(plan: FilmPlan, found: FilmStatus, store: Store) -> dict[str, Any]:
    """The same as plain JSON values; docs/plan-json.md describes it."""
    to_buy = _to_buy(plan, found, store)
    price = price_of(plan, to_buy) if to_buy else None
    limit = plan.allowance.limit
    return {
        "takes": len(to_buy),
        "at_most": _price_json(price),
        "price_list": _listed(plan, to_buy),
        "spent": [_price_json(each) for each in spent(store.purchases.read(plan.slug))],
        "limit": _price_json(limit),
    }


def _to_buy(plan: FilmPlan, found: FilmStatus, store: Store) -> list[Take]:
    """The missing takes that are to be ordered: without those that are paid for and on their way."""
    paid = {each.take for each in store.purchases.read() if each.is_paid_for}
    return [take for take in found.to_render if _costs(plan, take) and take.key not in paid]


def _is_enough(plan: FilmPlan, to_buy: Sequence[Take], store: Store) -> bool:
    """Whether what is left may pay for these takes. True as well if nothing limits it, or no price is known."""
    price, left = price_of(plan, to_buy), left_to_spend(plan, store)
    return price is None or left is None or price.currency != left.currency or price.amount <= left.amount


def _costs(plan: FilmPlan, take: Take) -> bool:
    card = plan.models[take.model]
    return card.hosted is not None and take.backend == card.backend and not take.through


def _at_most(plan: FilmPlan, takes: Sequence[Take]) -> str:
    """`at most 6.0 CNY (720P, prices of 2026-08)`."""
    price = price_of(plan, takes)
    names = sorted({hosted.resolution(take.size).name for take in takes if (hosted := plan.models[take.model].hosted)})
    listed = f"{', '.join(names)}, prices of {_listed(plan, takes)}"
    return f"at most {price} ({listed})" if price is not None else "at an unknown price"


def _listed(plan: FilmPlan, takes: Sequence[Take]) -> str:
    """The oldest date of the price lists."""
    dates = (hosted.listed for take in takes if (hosted := plan.models[take.model].hosted) is not None)
    return min(dates, default="")


def _limits(plan: FilmPlan, store: Store) -> str:
    """`; 3.0 CNY for 1 take so far, 27.0 CNY left of 30 CNY (film.budget)`."""
    so_far = spent_words(store.purchases.read(plan.slug))
    words = f"; {so_far} so far" if so_far else ""
    left = left_to_spend(plan, store)
    if left is None:
        return words + "; nothing limits what it may spend"
    return f"{words}; {left} left of {plan.allowance.limit} ({plan.allowance.set_by})"


def _price_json(price: Price | None) -> dict[str, str] | None:
    return None if price is None else {"amount": str(price.amount), "currency": price.currency}
