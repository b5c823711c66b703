"""The scheduler against the bound, in few of the nights of benchmarks.nights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.nights.__main__ import IDLE, MAKESPAN, OVERRUN_SECONDS, OVERRUN_SHARE, table, window_of
from benchmarks.nights.outcome import hold
from benchmarks.nights.random_night import KnownTable, RandomNight, random_night
from wan_render.farm.ordering.policy import NightPolicy
from wan_render.farm.ordering.simulated_night import Conditions, SimulatedTake, simulate_night
from wan_render.farm.ordering.time_left import Deadline
from wan_render.farm.scheduler import Scheduler
from wan_render.production.render_order import RenderOrder


def test_nights_end_near_the_bound_and_in_their_windows() -> None:
    measured = table(range(100, 105))
    assert measured["makespan"].mean() <= MAKESPAN
    assert measured["makespan"].mean() < measured["given"].mean()
    assert measured["overran"].sum() <= OVERRUN_SHARE * measured["in_window"].sum()
    assert measured["overrun"].max() <= OVERRUN_SECONDS
    assert measured["idle"].mean() <= IDLE
    assert measured["in_window"].min() > 0


@pytest.mark.parametrize("seed", [101, 104])
def test_a_forecast_is_what_the_scheduler_does(seed: int) -> None:
    """With and without a window: the same takes, on the same devices, at the same times."""
    night = random_night(seed)
    for until in (None, window_of(night, seed)):
        deadline = None if until is None else Deadline(until)
        conditions = Conditions(
            night.devices,
            night.estimates,
            NightPolicy(night.priorities),
            deadline,
            pace=lambda order: pace(night, order),
        )
        foreseen, done = simulate_night(night.orders, conditions), hold(night, until)
        assert told(foreseen.takes) == told(done.takes)
        assert set(foreseen.not_started) == set(done.not_started)


def pace(night: RandomNight, order: RenderOrder) -> float:
    key = order.take.key
    return night.seconds[key] / night.estimates.seconds[key]


def told(takes: Sequence[SimulatedTake]) -> list[tuple[str, str, float]]:
    return [(take.order.shot, take.device, round(take.end, 3)) for take in takes]


def test_the_rest_of_a_night_is_foreseen_while_it_goes_on() -> None:
    """After each take: the takes that are left end as foreseen, if estimates are right."""
    night = random_night(102)
    night = replace(night, estimates=KnownTable(night.seconds))
    ends: list[float] = []

    def ask(scheduler: Scheduler, seconds: float) -> None:
        rest = scheduler.rest()
        unobserved = replace(rest.conditions, policy=NightPolicy(night.priorities))
        ends.append(seconds + replace(rest, conditions=unobserved).simulate().end)

    done = hold(night, after_each=ask)
    assert len(ends) == len(night.orders)
    assert ends[:-1] == pytest.approx([done.makespan] * (len(ends) - 1), rel=0.02)
