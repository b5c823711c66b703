"""The terms of a night: which take comes first, how long takes need, and when they have to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, hypot

from wan_render.estimates import TakeTime
from wan_render.farm.ordering.estimates import loading_seconds
from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.farm.ordering.policy import NightPolicy
from wan_render.farm.ordering.time_left import GUESSED_RATIO, Deadline
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.finishing import AT_ONCE
from wan_render.production.render_order import RenderOrder

LEAST_RATIO, MOST_RATIO = 1.1, 2.0
"""The least and the most by which a take is expected to exceed its estimate, before a night has rendered any. A guess
for a GPU that was never timed may be further off, but no night should end an hour early for that."""


@dataclass(frozen=True)
class LearntSeconds:
    """Estimates from what the stores have learnt. times: of every order, by its take's key."""

    times: Mapping[str, TakeTime]
    device_kind: str

    def take(self, order: RenderOrder) -> float:
        """Seconds of the take on one device, until it is written."""
        if (time := self.times.get(order.take.key)) is not None:
            return time.seconds
        return 0.0 if order.take.through else order.backend.expected_seconds(order.take, self.device_kind)

    def loading(self, order: RenderOrder, loaded: LoadedModel | None) -> float:
        """Seconds to load a model, or only other LoRAs. Until it was measured, a preview loads nothing."""
        time = self.times.get(order.take.key)
        if time is not None and time.loading:
            return loading_seconds(order, loaded, time.loading)
        return 0.0 if order.backend.is_preview else loading_seconds(order, loaded)

    def worst_ratio(self, order: RenderOrder) -> float:
        """By which factor the take may exceed its estimate: two standard deviations, within reason."""
        time = self.times.get(order.take.key)
        if time is None:
            return GUESSED_RATIO
        return min(max(exp(2 * hypot(time.noise, time.doubt)), LEAST_RATIO), MOST_RATIO)


def night_policy(films: Sequence[FilmTonight], first: tuple[str, ...] = ()) -> NightPolicy:
    """The order of these films. first: slugs of those that were moved up, the last one first."""
    return NightPolicy({film.slug: film.priority for film in films}, first)


def night_deadline(films: Sequence[FilmTonight], until: datetime | None) -> Deadline | None:
    """When takes have to be written, so that all films can be finished in time. films: those that are not made yet."""
    return deadline_for({film.slug: film.finishing_seconds for film in films}, until)


def deadline_for(seconds: Mapping[str, float], until: datetime | None) -> Deadline | None:
    """The same, for films that need so many seconds to be finished, by their slugs.

    Each film waits for the others that are finished at the same time, because only some are encoded at once.
    """
    if until is None:
        return None
    together = sum(seconds.values()) / AT_ONCE
    reserve = {slug: max(own, together) for slug, own in seconds.items()}
    return Deadline(until.timestamp(), reserve, f"{until:%H:%M}")
