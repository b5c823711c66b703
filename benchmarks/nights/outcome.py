"""One simulated night, and what it is measured by."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.nights.random_night import RandomNight
from benchmarks.nights.simulated_farm import Observed, SimulatedFarm
from wan_render.farm.attempt_events import Ended
from wan_render.farm.ordering.loaded import loaded_by
from wan_render.farm.ordering.policy import NightPolicy, Policy
from wan_render.farm.ordering.simulated_night import SimulatedTake
from wan_render.farm.ordering.time_left import ABORT_RENDERING_SECONDS, Deadline
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import Scheduler
from wan_render.production.failures import OutOfTime
from wan_render.production.render_order import RenderOrder


@dataclass(frozen=True)
class NightOutcome:
    """until: when the window ended; None without one. not_started: the orders for which there was no time."""

    night: RandomNight
    until: float | None
    takes: tuple[SimulatedTake, ...]
    not_started: tuple[RenderOrder, ...]

    @property
    def makespan(self) -> float:
        """Seconds until the last take was rendered."""
        return max((take.end for take in self.takes), default=0.0)

    @property
    def overruns(self) -> list[float]:
        """Seconds by which takes ended after the window."""
        return [take.end - self.until for take in self.takes if self.until is not None and take.end > self.until]

    @property
    def idle(self) -> list[float]:
        """For each device: how long it was idle before the end of the window although a take was left that would have
        fitted, in median takes."""
        if self.until is None:
            return []
        median = statistics.median(self.night.seconds.values())
        return [self._wasted(device, self.until) / median for device in self.night.devices]

    def _wasted(self, device: str, until: float) -> float:
        own = [take for take in self.takes if take.device == device]
        last = max((take.end for take in own), default=0.0)
        gap = until - last
        return gap if any(self._would_fit(order, own[-1:], last, until) for order in self.not_started) else 0.0

    def _would_fit(self, order: RenderOrder, own: list[SimulatedTake], last: float, until: float) -> bool:
        """Whether an order that was not started would have ended in time, had it begun when the device became idle."""
        ends = {take.order.take.key: take.end for take in self.takes}
        if any(ends.get(need, until) > last for need in order.needs):
            return False
        loading = self.night.estimates.loading(order, loaded_by(own[0].order) if own else None)
        return last + loading + self.night.seconds[order.take.key] <= until


def hold(
    night: RandomNight,
    until: float | None = None,
    policy: Policy | None = None,
    after_each: Callable[[Scheduler, float], None] = lambda *_: None,
) -> NightOutcome:
    """Render a night with the real scheduler, in simulated time. until: seconds; None without a window. after_each:
    called when a take has ended, with the seconds since the beginning."""
    farm = SimulatedFarm(night, math.inf if until is None else until + ABORT_RENDERING_SECONDS)
    chosen = Observed(policy or NightPolicy(night.priorities), farm.issued)
    deadline = None if until is None else Deadline(until)
    scheduler = Scheduler(night.orders, farm, RunTerms(chosen, night.estimates, deadline, clock=farm))

    def finish(order: RenderOrder) -> None:
        while not isinstance(scheduler.attempt(order, lambda _: None), Ended):
            pass
        after_each(scheduler, farm.now().steady)
        farm.finished(order)

    scheduler.run(finish)
    outcomes = scheduler.outcomes
    assert set(outcomes) == set(night.orders)
    late = tuple(order for order, outcome in outcomes.items() if isinstance(outcome, OutOfTime))
    return NightOutcome(night, until, tuple(farm.takes), late)
