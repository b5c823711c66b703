"""A night of several films: which order begins next, what follows from outcomes, and what is not started any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.instant_farm import InstantFarm
from tests.farm.orders import order
from tests.farm.test_scheduler import continued
from wan_render.errors import DeviceError, Problem, RenderError
from wan_render.farm.attempt_events import Ended, Event
from wan_render.farm.ordering.backlog import Now
from wan_render.farm.ordering.estimates import Estimates
from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.farm.ordering.policy import NightPolicy
from wan_render.farm.ordering.time_left import ABORT_RENDERING_SECONDS, ABORT_WRITING_SECONDS, Deadline
from wan_render.farm.run_terms import FollowUp, RunTerms
from wan_render.farm.scheduler import Scheduler, render_all
from wan_render.production.failures import Outcome, OutOfTime, failures
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Phase, Progress
from wan_render.store import Clip


@dataclass(frozen=True)
class Table:
    """Estimates by shot; every other take needs 10 s. Loading takes `load` s."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    load: float = 0.0

    def take(self, order: RenderOrder) -> float:
        return self.seconds.get(order.shot, 10.0)

    def loading(self, order: RenderOrder, loaded: LoadedModel | None) -> float:
        return 0.0 if loaded is not None and loaded.weights[1] == order.card.identity else self.load

    def worst_ratio(self, order: RenderOrder) -> float:  # noqa: ARG002 - the seam's
        return 1.2


class Standing:
    """A clock that stands still until somebody sets it."""

    def __init__(self, wall: float = 0.0) -> None:
        self.wall = wall

    def now(self) -> Now:
        return Now(self.wall, self.wall)

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        changed.wait(seconds and 0.01)


def take(film: str, shot: str, number: int = 1, model: str = "a@1") -> RenderOrder:
    """The film's own take of a shot; take 2 and later are spare."""
    found = order(f"{film} {number}", shot, model)
    return replace(found, film=film, number=number, spare=number > 1)


def begun(orders: Sequence[RenderOrder], policy: NightPolicy, estimates: Estimates | None = None) -> list[str]:
    """Which orders one device renders, in order."""
    farm = InstantFarm("cpu")
    render_all(orders, farm, terms=RunTerms(policy=policy, estimates=estimates or Table()))
    return farm.rendered


# Order


def test_first_takes_of_all_films_come_before_second_ones() -> None:
    orders = [take("a", "1"), take("a", "1", 2), take("b", "1"), take("b", "1", 2)]
    assert begun(orders, NightPolicy()) == ["a 1 1", "b 1 1", "a 1 2", "b 1 2"]


def test_films_of_higher_priority_come_first_with_all_of_their_takes() -> None:
    orders = [take("a", "1"), take("b", "1"), take("b", "1", 2), take("c", "1")]
    assert begun(orders, NightPolicy({"b": 1, "c": 5})) == ["c 1 1", "b 1 1", "b 1 2", "a 1 1"]


def test_a_film_that_is_moved_up_comes_before_those_of_higher_priority() -> None:
    orders = [take("a", "1"), take("b", "1"), take("c", "1")]
    assert begun(orders, NightPolicy({"a": 9}, first=("c", "b"))) == ["c 1 1", "b 1 1", "a 1 1"]


def test_a_second_take_that_a_first_one_continues_is_as_urgent() -> None:
    second = take("a", "1", 2)
    orders = [take("b", "1"), take("b", "1", 2), second, replace(continued("x", "2", second), film="a")]
    assert begun(orders, NightPolicy()) == ["a 1 2", "b 1 1", "a 2 1", "b 1 2"]


def test_a_loaded_model_is_used_before_another_one_is_loaded() -> None:
    """Even across films."""
    orders = [take("a", "1"), take("a", "2", model="b@1"), take("b", "1"), take("b", "2", model="b@1")]
    assert begun(orders, NightPolicy(), estimates=Table(load=35.0)) == ["a 1 1", "b 1 1", "a 2 1", "b 2 1"]


def test_near_the_end_the_longest_come_first() -> None:
    orders = [take("a", str(shot)) for shot in range(1, 5)]
    assert begun(orders, NightPolicy(), estimates=Table({"3": 30.0, "4": 20.0})) == ["a 3 1", "a 4 1", "a 1 1", "a 2 1"]


def test_far_from_the_end_the_given_order_holds() -> None:
    orders = [take("a", str(shot)) for shot in range(1, 9)]
    assert begun(orders, NightPolicy(), estimates=Table({"7": 12.0}))[:4] == ["a 1 1", "a 2 1", "a 3 1", "a 4 1"]


# Several films


def test_a_take_that_two_films_show_is_rendered_once() -> None:
    first = take("a", "1")
    second = replace(first, film="b", shot="7")
    farm = InstantFarm("cpu", "cuda:0")
    outcomes = render_all([first, second], farm, terms=RunTerms(policy=NightPolicy()))
    assert farm.rendered == ["a 1 1"]
    assert isinstance(outcomes[second], Clip)
    assert outcomes[first] == outcomes[second]


def test_a_film_whose_takes_fail_alike_stops_no_other_film() -> None:
    def fail(order: RenderOrder) -> None:
        if order.film == "a":
            raise RenderError(Problem(order.shot, "black frames"))

    orders = [take(film, str(shot)) for shot in range(5) for film in "ab"]
    farm = InstantFarm("cpu", script=fail)
    outcomes = render_all(orders, farm, terms=RunTerms(policy=NightPolicy()))
    assert sum(line.startswith("a") for line in farm.rendered) == 3
    assert sum(isinstance(outcome, Clip) for outcome in outcomes.values()) == 5


# What changes while it runs


def looped(
    scheduler: Scheduler, after: Callable[[RenderOrder], object] = lambda _: None
) -> Callable[[RenderOrder], None]:
    def finish(order: RenderOrder) -> None:
        while not isinstance(scheduler.attempt(order, lambda _: None), Ended):
            pass
        after(order)

    return finish


def test_orders_can_be_added_until_the_last_one_is_dealt_with() -> None:
    farm = InstantFarm("cpu")
    scheduler = Scheduler([take("a", "1")], farm)

    def retake(order: RenderOrder) -> None:
        if order.number < 3:
            assert scheduler.add([take("a", "1", order.number + 1)])

    scheduler.run(looped(scheduler, retake))
    assert farm.rendered == ["a 1 1", "a 1 2", "a 1 3"]
    assert not scheduler.add([take("a", "2")])


def test_a_run_that_stays_open_waits_for_more_until_it_is_closed() -> None:
    farm = InstantFarm("cpu")
    scheduler = Scheduler([], farm, RunTerms(stays_open=True))
    running = threading.Thread(target=scheduler.run, args=(looped(scheduler),))
    running.start()
    assert scheduler.add([take("a", "1")])
    scheduler.close()
    running.join(60)
    assert farm.rendered == ["a 1 1"]


def test_a_retake_replaces_what_continues_the_refused_take_before_it_can_begin() -> None:
    first, second = take("a", "1"), take("a", "1", 2)
    on_first = replace(continued("x", "2", first), film="a")
    on_second = replace(continued("x", "2", second), film="a")

    def follow_up(order: RenderOrder, outcome: Outcome) -> FollowUp:
        return FollowUp([second, on_second], [on_first]) if order is first and isinstance(outcome, Clip) else FollowUp()

    farm = InstantFarm("cpu", "cuda:0")
    outcomes = render_all([first, on_first], farm, terms=RunTerms(policy=NightPolicy(), follow_up=follow_up))
    assert farm.rendered == ["a 1 1", "a 1 2", "a 2 1"]
    assert list(outcomes) == [first, second, on_second]


def test_another_policy_holds_from_now_on() -> None:
    farm, orders = InstantFarm("cpu"), [take(film, "1") for film in "abc"]
    scheduler = Scheduler(orders, farm, RunTerms(policy=NightPolicy()))

    def move_up(order: RenderOrder) -> None:
        if order.film == "a":
            scheduler.follow(NightPolicy(first=("c",)))

    farm._script = move_up
    scheduler.run(looped(scheduler))
    assert farm.rendered == ["a 1 1", "c 1 1", "b 1 1"]


# The end of the night


def until(
    seconds: float,
    reserve: Mapping[str, float] | None = None,
    estimates: Estimates | None = None,
    words: str = "the end of the night",
) -> RunTerms:
    """At 0 o'clock."""
    deadline = Deadline(seconds, reserve or {}, words)
    return RunTerms(NightPolicy(), estimates or Table(), deadline, clock=Standing())


def test_what_cannot_end_in_time_is_not_started_and_is_no_failure_of_its_film() -> None:
    orders = [take("a", "1"), take("a", "2")]
    farm = InstantFarm("cpu")
    outcomes = render_all(orders, farm, terms=until(60.0, estimates=Table({"2": 59.0})))
    assert farm.rendered == ["a 1 1"]
    assert outcomes[orders[1]] == OutOfTime(59.0)
    assert failures(outcomes) == {orders[1].take.key: "not started: no time was left before the end of the night"}


def test_what_continues_a_take_that_is_not_started_is_not_started_either() -> None:
    first = take("a", "1")
    then = replace(continued("x", "2", first), film="a")
    outcomes = render_all([first, then], InstantFarm("cpu"), terms=until(5.0))
    assert outcomes == {first: OutOfTime(10.0), then: OutOfTime(10.0)}


def test_time_to_finish_the_film_is_kept_free() -> None:
    orders = [take("a", "1"), take("b", "1")]
    farm = InstantFarm("cpu")
    render_all(orders, farm, terms=until(20.0, {"a": 10.0}))
    assert farm.rendered == ["b 1 1"]


def test_a_model_is_not_loaded_if_its_take_cannot_end_in_time() -> None:
    farm = InstantFarm("cpu")
    outcomes = render_all([take("a", "1")], farm, terms=until(20.0, estimates=Table(load=35.0)))
    assert farm.rendered == []
    assert [type(outcome) for outcome in outcomes.values()] == [OutOfTime]


def test_a_clock_that_steps_over_the_end_ends_the_night() -> None:
    clock = Standing()
    farm = InstantFarm("cpu", script=lambda _: setattr(clock, "wall", 1e6))
    orders = [take("a", str(shot)) for shot in range(3)]
    outcomes = render_all(orders, farm, terms=replace(until(1000.0), clock=clock))
    assert [type(outcomes[each]) for each in orders] == [Clip, OutOfTime, OutOfTime]


def test_a_take_that_overruns_the_night_by_far_is_aborted(open_farm: OpenFarm, tmp_path: Path) -> None:
    """At once, not when it is done after two minutes, and without the take that its process still writes."""
    clock = Standing()
    written, stuck = order("render done", "1"), order("hang", "2")
    begun: dict[str, float] = {}

    def hear(order: RenderOrder, event: Event) -> None:
        if isinstance(event, Progress) and event.phase is Phase.STEP and order is stuck:
            clock.wall = 1000.0 + ABORT_RENDERING_SECONDS
            threading.Timer(0.5, (tmp_path / "done").touch).start()
            begun["at"] = time.monotonic()

    farm = open_farm("cpu", handler="tests.farm.duties:overlapping")
    outcomes = render_all([written, stuck], farm, hear, replace(until(1000.0, words="07:00"), clock=clock))
    assert time.monotonic() - begun["at"] < 60.0
    assert isinstance(outcomes[written], Clip), "it was rendered in time"
    assert outcomes[stuck] == OutOfTime(10.0, "07:00", was_aborted=True)
    assert failures(outcomes) == {stuck.take.key: "aborted: it was not finished by 07:00"}
    assert farm._held_devices[0].process is None


def test_a_take_whose_writing_overruns_the_night_is_aborted_as_well(open_farm: OpenFarm) -> None:
    clock = Standing()

    def hear(_order: RenderOrder, event: Event) -> None:
        if isinstance(event, Progress) and event.phase is Phase.WRITING:
            clock.wall = 1000.0 + ABORT_RENDERING_SECONDS
            later = clock.wall + ABORT_WRITING_SECONDS
            threading.Timer(0.3, lambda: setattr(clock, "wall", later)).start()

    farm, never = open_farm("cpu", handler="tests.farm.duties:overlapping"), order("render never", "1")
    outcomes = render_all([never], farm, hear, replace(until(1000.0), clock=clock))
    assert [getattr(outcome, "was_aborted", False) for outcome in outcomes.values()] == [True]


def test_a_retry_that_cannot_end_in_time_leaves_the_failure_as_the_outcome() -> None:
    clock = Standing()

    def fail(_order: RenderOrder) -> None:
        clock.wall = 55.0
        raise DeviceError(Problem("cpu", "died"))

    outcomes = render_all([take("a", "1")], InstantFarm("cpu", script=fail), terms=replace(until(60.0), clock=clock))
    assert [str(outcome) for outcome in outcomes.values()] == ["cpu: died"]


def test_an_open_run_ends_with_the_night() -> None:
    clock = Standing(100.0)
    assert render_all([], InstantFarm("cpu"), terms=replace(until(60.0), clock=clock, stays_open=True)) == {}


@pytest.mark.parametrize("policy", [NightPolicy(), None])
def test_no_policy_leaves_orders_that_no_device_can_render_waiting(policy: NightPolicy | None) -> None:
    impossible = replace(take("a", "1"), barred=frozenset({"cpu"}))
    farm = InstantFarm("cpu")
    terms = RunTerms() if policy is None else RunTerms(policy=policy)
    assert list(render_all([impossible], farm, terms=terms)) == [impossible]
