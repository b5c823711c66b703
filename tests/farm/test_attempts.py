"""What follows a failure; and what the terminal hears of a take."""

from __future__ import annotations

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
    WanRenderError,
)
from wan_render.farm.attempt_events import AttemptFailed, Began, Ended, Event
from wan_render.farm.attempts import Attempts, Verdict
from wan_render.farm.quarantine import Quarantine
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import render_all
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
    outcomes = render_all(
        [dies], open_farm("cpu"), lambda _, event: events.append(event), RunTerms(attempts=lambda: Attempts(limit=2))
    )
    assert isinstance(outcomes[dies], DeviceError)
    assert [event.verdict for event in events if isinstance(event, AttemptFailed)] == [Verdict.AGAIN, Verdict.GIVE_UP]


# The policy alone


def device_error(found: str = "was killed (signal 9)") -> WanRenderError:
    return DeviceError(Problem("cuda:0", found))


def test_a_failure_that_would_end_alike_is_given_up_at_once() -> None:
    assert Attempts().failed("a", RenderError(Problem("1/010", "black"))) is Verdict.GIVE_UP


def test_where_each_attempt_waits_for_space_a_full_disk_is_retried() -> None:
    attempts, full = Attempts(limit=2, waits_for_space=True), DiskFullError(Problem("outputs", "the disk is full"))
    assert [attempts.failed("a", full) for _ in range(2)] == [Verdict.AGAIN, Verdict.STOP]


def test_attempts_are_counted_for_each_take() -> None:
    attempts = Attempts(limit=3)
    verdicts = [attempts.failed(key, device_error()) for key in ("a", "b", "a", "a")]
    assert verdicts == [Verdict.AGAIN, Verdict.AGAIN, Verdict.AGAIN, Verdict.GIVE_UP]


def test_numbers_do_not_make_two_causes() -> None:
    attempts = Attempts(limit=1, alike=2)
    attempts.failed("a", device_error("no progress for 600 s"))
    assert attempts.failed("b", device_error("no progress for 900 s")) is Verdict.STOP


def test_different_causes_do_not_stop_a_film() -> None:
    attempts = Attempts(limit=1, alike=2)
    attempts.failed("a", device_error("was killed"))
    assert attempts.failed("b", device_error("no progress")) is Verdict.GIVE_UP
    assert attempts.refusal(order("nothing")) is None


def test_after_a_stop_nothing_is_retried_and_a_failed_take_keeps_its_error() -> None:
    """A take that failed once and was to be retried is reported with its own failure."""
    attempts, tried, untried = Attempts(alike=1), order("kill", "1"), order("nothing", "2")
    failure = device_error("was killed")
    assert attempts.failed(tried.take.key, failure) is Verdict.AGAIN
    assert attempts.failed("b", RenderError(Problem("3", "black"))) is Verdict.STOP
    assert attempts.refusal(tried) is failure
    assert str(attempts.refusal(untried)) == "2: was not tried: takes before it failed for the same reason (black)"


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
