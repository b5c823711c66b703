"""Takes that another run renders are left to it, and other takes are rendered meanwhile."""

from __future__ import annotations

import threading
from collections import defaultdict

import pytest

from tests.farm.instant_farm import InstantFarm
from tests.farm.orders import order
from wan_render.errors import HeldElsewhereError, MachineError, Problem
from wan_render.farm import held_takes, scheduler
from wan_render.farm.attempt_events import AttemptFailed, Began, Ended, Event, Held
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import render_all
from wan_render.production.render_order import RenderOrder

STUDIO_B = HeldElsewhereError(Problem("take 1", "is rendered by studio-b (process 7, since 22:14)"), "studio-b")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "POLL_SECONDS", 0.01)


def test_the_next_take_is_rendered_and_the_held_one_when_nobody_holds_it() -> None:
    orders = [order("dove", shot) for shot in "123"]
    told = defaultdict[str, list[type[Event]]](list)
    others_are_done = threading.Event()
    farm = InstantFarm("cpu")

    def held_by(each: RenderOrder) -> HeldElsewhereError | None:
        return None if each is not orders[0] or others_are_done.is_set() else STUDIO_B

    def on_event(each: RenderOrder, event: Event) -> None:
        told[each.shot].append(type(event))
        if each is orders[2] and isinstance(event, Ended):
            others_are_done.set()

    outcomes = render_all(orders, farm, on_event, RunTerms(held_by=held_by))
    assert farm.rendered == ["2 1", "3 1", "1 1"]
    assert outcomes.keys() == set(orders)
    assert told["1"][0] is Held
    assert told["1"].index(Began) > told["1"].index(Held)
    assert Held not in told["2"] + told["3"]


def test_a_take_that_another_run_was_faster_to_begin_is_no_failure() -> None:
    faster = threading.Event()

    def script(each: RenderOrder) -> None:
        if each.shot == "1" and not faster.is_set():
            faster.set()
            raise STUDIO_B

    orders = [order("dove", "1"), order("dove", "2")]
    farm = InstantFarm("cpu", script=script)
    events: list[Event] = []
    render_all(orders, farm, lambda _, event: events.append(event))
    assert sorted(farm.rendered) == ["1 1", "1 1", "2 1"]
    assert {type(event) for event in events} & {Held, AttemptFailed} == {Held}


def test_nobody_waits_forever_for_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_takes, "WAITING_SECONDS", 0.05)
    monkeypatch.setattr(held_takes, "WAITING_TIMES", 0.0)
    asked = order("dove", "1")
    outcomes = render_all([asked], InstantFarm("cpu"), terms=RunTerms(held_by=lambda _: STUDIO_B))
    assert isinstance(outcomes[asked], MachineError)
    assert "another run has been busy with it" in str(outcomes[asked])
