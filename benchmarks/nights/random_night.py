"""A night of films with random takes, whose estimates are wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

from wan_render.backends import backend
from wan_render.farm.ordering.estimates import loading_seconds
from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.model_card import KindDefaults, ModelCard
from wan_render.production.render_order import RenderOrder
from wan_render.take import FramePlate, Lora, Sampling, ShotKind, Size, Take

SHORTEST, LONGEST = 8.0, 1200.0
"""Seconds of a take."""

LOADING, LORAS = 35.0, 1.0
"""Seconds to load a model, and to change its LoRAs."""

WRONG = 0.3
"""Estimates are at most this share too high or too low."""

_SIZE = Size(832, 480)
_SAMPLING = Sampling(steps=1, guidance=(1.0,), shift=1.0)


@dataclass(frozen=True)
class RandomNight:
    """seconds: of each take, by key, as it will be; estimates: as it is expected. priorities: of films."""

    orders: tuple[RenderOrder, ...]
    devices: tuple[str, ...]
    seconds: Mapping[str, float]
    estimates: KnownTable
    priorities: Mapping[str, int]

    @property
    def work(self) -> float:
        """Seconds of all takes, without loading."""
        return sum(self.seconds.values())

    @property
    def bound(self) -> float:
        """No schedule ends before: all devices are busy without loading anything, or the longest chain is rendered."""
        ends: dict[str, float] = {}
        for order in self.orders:
            key = order.take.key
            ends[key] = self.seconds[key] + max((ends[need] for need in order.needs), default=0.0)
        return max(self.work / len(self.devices), *ends.values())


@dataclass(frozen=True)
class KnownTable:
    """Estimates from a table."""

    seconds: Mapping[str, float]

    def take(self, order: RenderOrder) -> float:
        return self.seconds[order.take.key]

    def loading(self, order: RenderOrder, loaded: LoadedModel | None) -> float:
        return loading_seconds(order, loaded, LOADING, LORAS)

    def worst_ratio(self, order: RenderOrder) -> float:  # noqa: ARG002 - all are as wrong
        return 1 / (1 - WRONG)


def random_night(seed: int) -> RandomNight:
    """1 to 8 devices, 10 to 25 takes for each, two models, LoRAs, chains, second takes, some films with a priority.
    Half of the nights have estimates that are wrong for each take on its own, half for all takes of a model alike."""
    random = Random(seed)  # noqa: S311 - not for cryptography
    devices = tuple(f"cuda:{number}" for number in range(random.randint(1, 8)))
    orders: list[RenderOrder] = []
    count = len(devices) * random.randint(10, 25)
    films = random.randint(2, 8)
    share = random.choice((0.0, 0.1, 0.3))
    while len(orders) < count:
        film = random.randrange(films)
        orders += _shot(random, f"film-{film}", f"shot-{len(orders)}", chained=random.random() < share)
    orders.sort(key=lambda order: order.film)
    seconds = {order.take.key: _log_uniform(random) for order in orders}
    alike = random.random() < 0.5
    errors = {f"model-{number}@1": random.uniform(-WRONG, WRONG) for number in range(2)}
    estimates = {
        order.take.key: seconds[order.take.key]
        * (1 + (errors[order.card.identity] if alike else random.uniform(-WRONG, WRONG)))
        for order in orders
    }
    named = sorted({order.film for order in orders})
    priorities = {film: random.randint(1, 3) for film in named if random.random() < 0.15}
    return RandomNight(tuple(orders), devices, seconds, KnownTable(estimates), priorities)


def _shot(random: Random, film: str, shot: str, *, chained: bool) -> Sequence[RenderOrder]:
    """One take, a first and a second one, or a chain of takes that each continue the one before."""
    model = f"model-{random.random() < 0.3:d}@1"
    loras = random.choice(((), (), (Lora("a" * 64, 1.0),), (Lora("b" * 64, 1.0),)))
    first = _order(film, f"{shot}-1", model, loras)
    if chained:
        chain = [first]
        for place in range(2, random.randint(3, 7)):
            plate = FramePlate(chain[-1].take.key, 80, _SIZE)
            chain.append(_order(film, f"{shot}-{place}", model, loras, first=plate))
        return chain
    if random.random() < 0.2:
        return first, replace(_order(film, f"{shot}-2", model, loras), number=2, spare=True)
    return (first,)


def _order(film: str, shot: str, model: str, loras: tuple[Lora, ...], first: FramePlate | None = None) -> RenderOrder:
    animatic = backend("animatic")
    take = Take(
        backend=animatic.id,
        model=model,
        first=first,
        last=None,
        prompt=f"{film} {shot}",
        negative="",
        frames=81,
        size=_SIZE,
        rate=Fraction(16),
        seed=1,
        sampling=_SAMPLING,
        loras=loras,
    )
    card = ModelCard(model, model, dict.fromkeys(ShotKind, KindDefaults(_SAMPLING, "")), Fraction(16))
    return RenderOrder(take, animatic, card, {}, shot, 1, film=film)


def _log_uniform(random: Random) -> float:
    return math.exp(random.uniform(math.log(SHORTEST), math.log(LONGEST)))
