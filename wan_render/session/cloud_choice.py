"""Which shots a service renders, of those that it may render: `cloud: {model, allow: true}`.

A take at the service satisfies its number: once it is bought, or on its way, the shot stays there. Until then a shot is
rendered by the service if this machine has a key and the budget lasts, the cheapest shots first. A shot whose own takes
are there stays with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

from wan_render.backend_contract import Backend
from wan_render.backends import DEFAULT, rendered_by
from wan_render.plan import FilmPlan, Rendered
from wan_render.price import Price
from wan_render.purchase import spent
from wan_render.store import Store
from wan_render.take import Take

MakePlan = Callable[[Collection[str]], FilmPlan]
"""Makes the plan in which these shots are at a service."""


@dataclass(frozen=True)
class CloudTerms:
    """What decides. backend: of the film. is_local_first: whether only the shots in `spilt` may be ordered."""

    store: Store
    backend: Backend
    is_local_first: bool = False
    spilt: frozenset[str] = frozenset()


def chosen_plan(here: FilmPlan, make: MakePlan, terms: CloudTerms) -> FilmPlan:
    """The plan of a film whose shots are where they are to be rendered. here: the plan with all of them on own devices.
    Raises the errors of `make`."""
    if terms.backend.id.partition("/")[0] != DEFAULT:
        return here
    there = make(here.cloud_shots)
    chosen = chosen_shots(here, there, terms)
    if not chosen:
        return here
    return there if chosen == frozenset(here.cloud_shots) else make(chosen)


def chosen_shots(here: FilmPlan, there: FilmPlan, terms: CloudTerms) -> frozenset[str]:
    """The ids of the shots that a service renders. here, there: the plans with all shots that may be at a service on
    the own devices, and at the service."""
    bought = {each.take for each in terms.store.purchases.read() if each.is_paid_for}
    settled = {name for name in here.cloud_shots if _is_there(takes_of(there, name), bought, terms.store)}
    open_shots = [
        name for name in here.cloud_shots if name not in settled and not _is_found(takes_of(here, name), terms.store)
    ]
    if terms.is_local_first:
        open_shots = [name for name in open_shots if name in terms.spilt]
    return frozenset(settled) | frozenset(_affordable(open_shots, there, terms))


def takes_of(plan: FilmPlan, shot: str) -> tuple[Take, ...]:
    """The takes of a shot, with their segments."""
    found = next(each for each in plan.shots if each.id == shot).content
    takes = [each.take for each in found.takes] if isinstance(found, Rendered) else []
    return tuple(part for take in takes for part in (take.segments or (take,)))


def price_of(plan: FilmPlan, takes: Collection[Take]) -> Price | None:
    """The most that takes can cost together; None if a price is not known."""
    prices = []
    for take in takes:
        hosted = plan.models[take.model].hosted
        price = None if hosted is None else hosted.dearest(take)
        if price is None:
            return None
        prices.append(price)
    if len({price.currency for price in prices}) != 1:
        return None
    return Price(sum((price.amount for price in prices), Decimal(0)), prices[0].currency)


def left_to_spend(plan: FilmPlan, store: Store) -> Price | None:
    """What is left of a film's allowance; None if nothing limits it."""
    limit = plan.allowance.limit
    if limit is None:
        return None
    already = sum(
        (each.amount for each in spent(store.purchases.read(plan.slug)) if each.currency == limit.currency), Decimal(0)
    )
    return Price(limit.amount - already, limit.currency)


def _affordable(shots: Collection[str], there: FilmPlan, terms: CloudTerms) -> Iterator[str]:
    """Those for which there is a key and money, the cheapest first. With equal prices, in the film's order."""
    priced = [(price, name) for name in shots if (price := price_of(there, takes_of(there, name))) is not None]
    left = left_to_spend(there, terms.store)
    for price, name in sorted(priced, key=lambda pair: pair[0].amount):
        card = there.models[takes_of(there, name)[0].model]
        if rendered_by(card.backend, terms.backend).missing(card) is not None:
            continue
        if left is not None:
            if price.currency != left.currency or price.amount > left.amount:
                continue
            left = Price(left.amount - price.amount, left.currency)
        yield name


def _is_there(takes: Collection[Take], bought: Collection[str], store: Store) -> bool:
    """Whether takes at the service are rendered, or any is bought or on its way."""
    return any(take.key in bought for take in takes) or _is_found(takes, store)


def _is_found(takes: Collection[Take], store: Store) -> bool:
    return bool(takes) and all(store.find(take.key) is not None for take in takes)
