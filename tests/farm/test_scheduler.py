"""What the terminal's threads and the flow's tasks have in common: which take is tried when, and what follows."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.orders import device, nobody, order
from tests.farm.test_groups import begins, begun, released
from tests.farm.test_stopping import until
from tests.production.solid import Solid, film
from wan_render.errors import DeviceError, DiskFullError, MachineError, RenderError, Stopped
from wan_render.farm.attempt_events import Ended
from wan_render.farm.farm_contract import Begins, Farm, at_any_time
from wan_render.farm.run_terms import FollowUp, RunTerms
from wan_render.farm.scheduler import Scheduler, render_all
from wan_render.production.failures import Outcome
from wan_render.production.render_order import RenderOrder
from wan_render.production.run import Run
from wan_render.render_values import Device, Listen, Progress
from wan_render.status import status
from wan_render.store import Clip, Store
from wan_render.take import FramePlate

if TYPE_CHECKING:
    from tests.prefect_server import PrefectServer  # Prefect is an extra, and half of these tests need none

HANDLER = "tests.farm.duties:together"

Caller = Callable[[Sequence[RenderOrder], Farm], Mapping[RenderOrder, Outcome]]


@pytest.fixture(scope="module")
def server(prefect_server: PrefectServer) -> Iterator[None]:
    """Flows run at the Prefect server of this process, until the last of these tests."""
    with prefect_server.runs_flows():
        yield


@pytest.fixture(params=["terminal", pytest.param("flow", marks=pytest.mark.prefect)])
def caller(request: pytest.FixtureRequest, tmp_path: Path) -> Caller:
    """Who has every order rendered."""
    if request.param == "terminal":
        return render_all
    request.getfixturevalue("server")
    return in_a_flow(tmp_path)


def in_a_flow(folder: Path) -> Caller:
    from prefect import flow

    from flows.runs.take_tasks import TakeTasks, run_take_tasks

    def rendered(orders: Sequence[RenderOrder], farm: Farm) -> Mapping[RenderOrder, Outcome]:
        plan, store, solid = film(folder, {}), Store(folder / "outputs"), Solid(folder / "diary")
        run = Run(plan, solid, store, status(plan, store, solid), tuple(orders))
        ended: list[TakeTasks] = []

        @flow(name="takes", persist_result=False)
        def takes() -> None:
            ended.append(run_take_tasks(run, farm, lambda *_: None))

        takes()
        return ended[0].outcomes

    return rendered


class Noting:
    """A farm that records its calls; `hear` gets the progress of attempts."""

    def __init__(self, farm: Farm, hear: Listen = nobody) -> None:
        self._farm, self._hear = farm, hear
        self.asked: list[str] = []
        self.expected: list[str] = []

    @property
    def devices(self) -> tuple[Device, ...]:
        return self._farm.devices

    def expect(self, orders: Sequence[RenderOrder]) -> None:
        self.expected.append("".join(order.shot for order in orders))
        self._farm.expect(orders)

    def render(self, order: RenderOrder, listen: Listen, begins: Begins = at_any_time) -> Clip:
        def heard(progress: Progress) -> None:
            self._hear(progress)
            listen(progress)

        self.asked.append(order.shot)
        return self._farm.render(order, heard, begins)

    def abort(self, orders: Collection[RenderOrder]) -> None:
        self._farm.abort(orders)

    def stop(self) -> None:
        self._farm.stop()

    def close(self) -> None:
        self._farm.close()


def continued(prompt: str, shot: str, previous: RenderOrder) -> RenderOrder:
    """`from: previous`."""
    found = order(prompt, shot)
    plate = FramePlate(previous.take.key, 8, previous.take.size)
    return replace(found, take=replace(found.take, first=plate))


def chain(*prompts: str) -> list[RenderOrder]:
    """Each shot continues the one before it."""
    found = [order(prompts[0], "1")]
    for shot, prompt in enumerate(prompts[1:], start=2):
        found.append(continued(prompt, str(shot), found[-1]))
    return found


@contextmanager
def released_once(folder: Path, condition: Callable[[], object]) -> Iterator[Future[None]]:
    """What waits for the file `go` does so until the condition is true, which it must become."""

    def release() -> None:
        with released(folder / "go"):
            until(condition)

    with ThreadPoolExecutor(1) as beside:
        releasing = beside.submit(release)
        yield releasing
        releasing.result(60)


def clips(outcomes: Mapping[RenderOrder, Outcome]) -> dict[str, str]:
    """Where each was rendered."""
    assert all(isinstance(outcome, Clip) for outcome in outcomes.values()), outcomes
    return {order.shot: device(outcome) for order, outcome in outcomes.items() if isinstance(outcome, Clip)}


# Order


def test_orders_are_rendered_as_they_are_given_and_the_farm_knows_what_is_to_come(
    caller: Caller, open_farm: OpenFarm, tmp_path: Path
) -> None:
    """They begin in this order. A take may end after the next one, which is rendered while it is written."""
    farm = Noting(open_farm("cpu", handler=HANDLER))
    orders = [order("nothing", "1"), order("blame", "2"), order("nothing", "3")]
    outcomes = caller(orders, farm)
    assert [type(outcomes[each]) for each in orders] == [Clip, RenderError, Clip]
    assert begun(tmp_path) == ["1 on cpu alone", "2 on cpu alone", "3 on cpu alone"]
    assert farm.expected[0] == "123"
    assert [len(shots) for shots in farm.expected] == [3, 2, 1, 0]


def test_no_orders_are_no_outcomes(caller: Caller, open_farm: OpenFarm) -> None:
    assert caller([], open_farm("cpu")) == {}


def test_what_continues_another_waits_for_it_and_keeps_no_device_idle(
    caller: Caller, open_farm: OpenFarm, tmp_path: Path
) -> None:
    """However many do."""
    orders = [*chain("hold go", *["nothing"] * 6), order("nothing", "8"), order("nothing", "9")]
    with released_once(tmp_path, lambda: begins(tmp_path, "8") and begins(tmp_path, "9")):
        outcomes = caller(orders, open_farm("cpu", "cuda:0", handler=HANDLER))
    assert clips(outcomes).keys() == set("123456789")
    assert [line[0] for line in begun(tmp_path) if line[0] < "8"] == list("1234567")


def test_what_needs_a_failed_take_is_not_tried(caller: Caller, open_farm: OpenFarm) -> None:
    farm, orders = Noting(open_farm("cpu", handler=HANDLER)), chain("blame", "nothing", "nothing")
    outcomes = caller([*orders, order("nothing", "4")], farm)
    assert farm.asked == ["1", "4"]
    assert str(outcomes[orders[1]]) == "2: needs 1 take 1, which could not be rendered: black frames"
    assert str(outcomes[orders[2]]).startswith("3: needs 2 take 1, which could not be rendered: needs 1 take 1")


def test_orders_for_some_devices_keep_no_others_idle(caller: Caller, open_farm: OpenFarm, tmp_path: Path) -> None:
    """Even if many of them come first."""
    first, others = frozenset({"cuda:0", "cuda:1"}), frozenset({"cuda:2", "cuda:3"})
    orders = [replace(order("hold go", shot), barred=others if shot < "6" else first) for shot in "1234567"]
    with released_once(tmp_path, lambda: all(begins(tmp_path, shot) for shot in "1267")):
        outcomes = caller(orders, open_farm(*sorted(first | others), handler=HANDLER))
    assert {shot: name in first for shot, name in clips(outcomes).items()} == {shot: shot < "6" for shot in "1234567"}


def test_what_no_device_can_render_is_a_failure(caller: Caller, open_farm: OpenFarm) -> None:
    impossible = replace(order("nothing"), barred=frozenset({"cpu"}))
    assert isinstance(caller([impossible], open_farm("cpu"))[impossible], MachineError)


def test_the_next_is_rendered_while_one_is_written(caller: Caller, open_farm: OpenFarm, tmp_path: Path) -> None:
    with released_once(tmp_path, lambda: begins(tmp_path, "2")):
        outcomes = caller([order("render go", "1"), order("nothing", "2")], open_farm("cpu", handler=HANDLER))
    assert clips(outcomes).keys() == set("12")


# Failures


def test_what_is_worth_retrying_is_retried_before_others_begin(caller: Caller, open_farm: OpenFarm) -> None:
    farm = Noting(open_farm("cpu", handler=HANDLER))
    orders = [order("kill once", "1"), order("kill", "2"), order("nothing", "3")]
    outcomes = caller(orders, farm)
    assert farm.asked == ["1", "1", "2", "2", "2", "3"]
    assert [isinstance(outcomes[each], Clip) for each in orders] == [True, False, True]
    assert isinstance(outcomes[orders[1]], DeviceError)


def test_a_retry_waits_for_another_device_and_leaves_the_one_that_failed_to_others(
    caller: Caller, open_farm: OpenFarm, tmp_path: Path
) -> None:
    orders = [order("hold go", "1"), order("kill once", "2"), order("nothing", "3")]
    with released_once(tmp_path, lambda: begins(tmp_path, "3")):
        outcomes = caller(orders, open_farm("cuda:0", "cuda:1", handler=HANDLER))
    where = clips(outcomes)
    assert where["1"] == where["2"] != where["3"]


def test_a_device_on_which_several_takes_fail_gets_no_more(caller: Caller, open_farm: OpenFarm, tmp_path: Path) -> None:
    """They wait for the other one, which is busy."""

    def on_first() -> list[str]:
        return [line for line in begun(tmp_path) if "cuda:0" in line]

    busy = replace(order("hold go", "0"), barred=frozenset({"cuda:0"}))
    failing = [order("kill on cuda:0", shot) for shot in "12345"]
    with released_once(tmp_path, lambda: len(on_first()) == 2):
        outcomes = caller([busy, *failing], open_farm("cuda:0", "cuda:1", handler=HANDLER, quarantine=2))
    assert clips(outcomes) == dict.fromkeys("012345", "cuda:1")
    assert len(on_first()) == 2


def test_a_take_that_runs_out_of_memory_gets_less_and_then_another_device(caller: Caller, open_farm: OpenFarm) -> None:
    """Two levels of offloading, and then the other device."""
    farm = Noting(open_farm("cuda:0", "cuda:1"))
    assert clips(caller([order("crowded on cuda:0", "1")], farm)) == {"1": "cuda:1"}
    assert farm.asked == ["1"] * 4


def test_a_film_whose_takes_fail_alike_is_stopped(caller: Caller, open_farm: OpenFarm) -> None:
    farm, orders = Noting(open_farm("cpu")), [order("bug", shot) for shot in "12345"]
    outcomes = caller(orders, farm)
    assert farm.asked == ["1", "2", "3"]
    assert "was not tried: takes before it failed for the same reason (KeyError: 'weight'" in str(outcomes[orders[4]])
    assert farm.expected[-1] == ""


def test_a_full_disk_stops_a_film_at_once(caller: Caller, open_farm: OpenFarm) -> None:
    farm, orders = Noting(open_farm("cpu")), [order("full", "1"), order("nothing", "2")]
    outcomes = caller(orders, farm)
    assert farm.asked == ["1"]
    assert isinstance(outcomes[orders[0]], DiskFullError)
    assert "was not tried" in str(outcomes[orders[1]])


# Stops

LOADS = [*chain("load", "nothing"), order("load", "3"), order("load", "4"), order("load", "5")]


def test_what_a_signals_handler_raises_stops_everything(caller: Caller, open_farm: OpenFarm) -> None:
    """As Ctrl-C and a cancelled run do."""

    def interrupt(_progress: Progress) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    farm = Noting(open_farm("cpu", "cuda:0"), interrupt)
    with pytest.raises(KeyboardInterrupt):
        caller(LOADS, farm)
    assert set(farm.asked) == {"1", "3"}
    with pytest.raises(Stopped):
        farm.render(order("nothing"), nobody)


def test_a_farm_that_others_stop_leaves_as_stopped(caller: Caller, open_farm: OpenFarm) -> None:
    farm = open_farm("cpu", "cuda:0")
    with pytest.raises(Stopped):
        caller(LOADS, Noting(farm, lambda _: threading.Thread(target=farm.stop).start()))


def test_a_defect_stops_everything_and_is_raised(caller: Caller, open_farm: OpenFarm) -> None:
    """No failure of a take: nobody goes on waiting for one that has no outcome."""

    def break_down(_progress: Progress) -> None:
        raise ZeroDivisionError("a defect")

    farm = Noting(open_farm("cpu"), break_down)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        caller(chain("progress", "nothing"), farm)
    assert farm.asked == ["1"]
    with pytest.raises(Stopped):
        farm.render(order("nothing"), nobody)


# Drains


def test_a_drain_lets_takes_end_and_begins_none(open_farm: OpenFarm, tmp_path: Path) -> None:
    """Also not one that a take which ends then would bring about, or that waits for a device."""
    orders = [order("hold go", "1"), *(order("nothing", shot) for shot in "234")]
    follow_up = FollowUp(add=[order("nothing", "5")])
    terms = RunTerms(follow_up=lambda ended, _: follow_up if ended is orders[0] else FollowUp())
    scheduler = Scheduler(orders, open_farm("cuda:0", handler=HANDLER), terms)

    def finish(each: RenderOrder) -> None:
        while not isinstance(scheduler.attempt(each, lambda _: None), Ended):
            pass

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(scheduler.run, finish)
        until(lambda: begins(tmp_path, "1"))
        scheduler.drain()
        assert not scheduler.add([order("nothing", "6")])
        (tmp_path / "go").touch()
        running.result(60)
    assert [each.shot for each, outcome in scheduler.outcomes.items() if isinstance(outcome, Clip)] == ["1"]
    assert scheduler.is_cut_short


def test_a_drain_of_a_run_that_has_rendered_everything_changes_nothing(open_farm: OpenFarm) -> None:
    scheduler = Scheduler([order("nothing", "1")], open_farm("cpu", handler=HANDLER))
    scheduler.run(lambda each: scheduler.attempt(each, lambda _: None))
    scheduler.drain()
    assert not scheduler.is_cut_short


def test_a_released_device_gets_takes_again(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER, quarantine=2)
    failing = [order("kill on cuda:0", shot) for shot in "12"]
    with released_once(tmp_path, lambda: bool(farm.quarantined)):
        busy = replace(order("hold go", "0"), barred=frozenset({"cuda:0"}))
        render_all([busy, *failing], farm)
    assert farm.quarantined == ("cuda:0",)
    only_first = replace(order("nothing", "3"), barred=frozenset({"cuda:1"}))
    farm.release("cuda:0")
    assert not farm.quarantined
    assert clips(render_all([only_first], farm)) == {"3": "cuda:0"}
