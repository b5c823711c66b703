"""All takes of a film, each to its end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.orders import order
from wan_render.errors import (
    DeviceError,
    DiskError,
    DiskFullError,
    FfmpegKilledError,
    FfmpegMissingError,
    PictureError,
    Problem,
    RenderError,
    Stopped,
    WanRenderError,
)
from wan_render.farm import AttemptFailed, Attempts, Began, Ended, Event, LocalFarm, Verdict, render_all
from wan_render.farm.quarantine import Quarantine
from wan_render.production import RenderOrder
from wan_render.render_values import Progress
from wan_render.store import Clip


def test_every_order_has_an_outcome_whatever_becomes_of_it(open_farm: OpenFarm) -> None:
    good, dies, wrong = order("progress", "1"), order("segfault once", "2"), order("blame", "3")
    events: list[tuple[str, Event]] = []
    outcomes = render_all(
        [good, dies, wrong], open_farm("cpu", "cuda:0"), lambda order, event: events.append((order.shot, event))
    )
    assert isinstance(outcomes[good], Clip)
    assert isinstance(outcomes[dies], Clip)
    assert isinstance(outcomes[wrong], RenderError)
    assert [type(event) for shot, event in events if shot == "2"] == [Began, AttemptFailed, Began, Ended]
    assert [type(event) for shot, event in events if shot == "3"] == [Began, AttemptFailed, Ended]
    assert Progress in {type(event) for shot, event in events if shot == "1"}


def test_what_is_worth_retrying_is_retried_up_to_the_limit(open_farm: OpenFarm) -> None:
    dies = order("kill")
    events: list[Event] = []
    outcomes = render_all([dies], open_farm("cpu"), lambda _, event: events.append(event), Attempts(limit=2))
    assert isinstance(outcomes[dies], DeviceError)
    assert [event.verdict for event in events if isinstance(event, AttemptFailed)] == [Verdict.AGAIN, Verdict.GIVE_UP]


def test_a_film_whose_first_shots_all_fail_alike_is_stopped(open_farm: OpenFarm) -> None:
    orders = [order("bug", str(shot)) for shot in range(5)]
    events: Counter[type[Event]] = Counter()
    outcomes = render_all(orders, open_farm("cpu"), lambda _, event: events.update([type(event)]))
    assert events[Began] == 3
    assert events[Ended] == len(outcomes) == 5
    assert "was not tried, as others before it failed alike (KeyError: 'weight'" in str(outcomes[orders[4]])


def test_the_farm_knows_what_is_still_to_come(open_farm: OpenFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is rendered, what is given up, and what is not tried, is not."""
    farm, expected = open_farm("cpu"), list[tuple[str, ...]]()
    monkeypatch.setattr(farm, "expect", lambda orders: expected.append(tuple(order.shot for order in orders)))
    render_all([order("bug", str(shot)) for shot in range(5)], farm)
    assert expected[0] == ("0", "1", "2", "3", "4")
    assert len(expected) == 6
    assert expected[-1] == ()


def test_no_orders_are_no_outcomes(open_farm: OpenFarm) -> None:
    assert render_all([], open_farm("cpu")) == {}


def test_a_stop_from_elsewhere_leaves_as_stopped(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu", "cuda:0")
    with pytest.raises(Stopped):
        render_all(loads(), farm, stops_at_progress(farm))


def test_what_a_signal_handler_raises_stops_the_farm_first(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu", "cuda:0")

    def interrupted(_order: RenderOrder, event: Event) -> None:
        if isinstance(event, Progress):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_all(loads(), farm, interrupted)
    with pytest.raises(Stopped):
        farm.render(order("nothing"), lambda _: None)


def loads() -> Sequence[RenderOrder]:
    return [order("load", str(shot)) for shot in range(4)]


def stops_at_progress(farm: LocalFarm):  # type: ignore[no-untyped-def]
    def stop(_order: RenderOrder, event: Event) -> None:
        if isinstance(event, Progress):
            threading.Thread(target=farm.stop).start()

    return stop


# The policy alone


def device_error(found: str = "was killed (signal 9)") -> WanRenderError:
    return DeviceError(Problem("cuda:0", found))


def test_a_failure_that_would_end_alike_is_given_up_at_once() -> None:
    assert Attempts().failed("a", RenderError(Problem("1/010", "black"))) is Verdict.GIVE_UP


def test_attempts_are_counted_for_each_take() -> None:
    attempts = Attempts(limit=3)
    verdicts = [attempts.failed(key, device_error()) for key in ("a", "b", "a", "a")]
    assert verdicts == [Verdict.AGAIN, Verdict.AGAIN, Verdict.AGAIN, Verdict.GIVE_UP]


def test_numbers_do_not_make_two_causes() -> None:
    attempts = Attempts(limit=1, alike=2)
    attempts.failed("a", device_error("no progress for 600 s"))
    assert attempts.failed("b", device_error("no progress for 900 s")) is Verdict.STOP
    assert attempts.stopped_by is not None


def test_different_causes_do_not_stop_a_film() -> None:
    attempts = Attempts(limit=1, alike=2)
    attempts.failed("a", device_error("was killed"))
    assert attempts.failed("b", device_error("no progress")) is Verdict.GIVE_UP
    assert attempts.stopped_by is None


def test_a_take_that_is_finished_clears_the_rest_of_suspicion() -> None:
    attempts = Attempts(limit=1, alike=2)
    attempts.failed("a", device_error())
    attempts.finished("b")
    assert attempts.failed("c", device_error()) is Verdict.GIVE_UP


def test_one_take_that_fails_again_and_again_is_not_several() -> None:
    attempts = Attempts(limit=1, alike=2)
    assert [attempts.failed("a", device_error()) for _ in range(3)] == [Verdict.GIVE_UP] * 3


def test_wrong_input_of_many_takes_stops_nothing() -> None:
    attempts = Attempts(alike=2)
    verdicts = [attempts.failed(key, PictureError(Problem("a.png", "changed"))) for key in "abc"]
    assert verdicts == [Verdict.GIVE_UP] * 3


@pytest.mark.parametrize("error", [DiskFullError, FfmpegMissingError])
def test_a_full_disk_and_a_missing_ffmpeg_stop_a_film_at_once(error: type[WanRenderError]) -> None:
    assert Attempts().failed("a", error(Problem("outputs", "the disk is full"))) is Verdict.STOP


def test_other_failures_of_ffmpeg_and_the_disk_cost_one_shot_until_several_fail_alike() -> None:
    attempts = Attempts(limit=2)
    killed = FfmpegKilledError(Problem("ffmpeg", "was killed (signal 9)"))
    assert [attempts.failed("a", killed) for _ in range(2)] == [Verdict.AGAIN, Verdict.GIVE_UP]
    closed = DiskError(Problem("takes/1", "no permission to read"))
    assert [attempts.failed(key, closed) for key in "bcd"] == [Verdict.GIVE_UP, Verdict.GIVE_UP, Verdict.STOP]


def test_a_device_is_quarantined_for_different_takes_only() -> None:
    quarantine = Quarantine(("cuda:0", "cuda:1"), shots=2)
    assert not quarantine.failed("cuda:0", "a")
    assert not quarantine.failed("cuda:0", "a")
    assert quarantine.failed("cuda:0", "b")
    assert not quarantine.allows("cuda:0")
    assert quarantine.allows("cuda:1")


def test_a_device_that_finishes_a_take_is_trusted_again() -> None:
    quarantine = Quarantine(("cuda:0", "cuda:1"), shots=2)
    quarantine.failed("cuda:0", "a")
    quarantine.finished("cuda:0")
    assert not quarantine.failed("cuda:0", "b")


def test_where_every_device_fails_none_is_to_blame() -> None:
    quarantine = Quarantine(("cuda:0", "cuda:1"), shots=1)
    assert quarantine.failed("cuda:0", "a")
    assert not quarantine.failed("cuda:1", "a")
    assert quarantine.allows("cuda:0")
    assert quarantine.allows("cuda:1")
