from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tests.store.values import A_TAKE
from tests.test_status import Estimating
from wan_render.estimates import MeasuredTimes, spread
from wan_render.estimates.take_time import Spread, TakeTime
from wan_render.store import TakeSeconds
from wan_render.take import Sampling, Size, Take

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
WIDE = replace(A_TAKE, size=Size(832, 480), frames=81, sampling=Sampling(50, (5.0,), 5.0))


@dataclass(frozen=True)
class Stepping(Estimating):
    """A backend that expects 1 s per step, half of it growing with the square of the frames, and 10 s besides."""

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:  # noqa: ARG002
        longer = take.frames / 81
        return take.sampling.steps * (0.5 * longer + 0.5 * longer**2) / devices + 10.0

    def timed_on(self, device_kind: str) -> str:
        return "NVIDIA H200" if device_kind == "cuda" else ""


def line(take: Take, seconds: Mapping[str, float], at: int = 0, device: str = "cpu", devices: int = 1) -> TakeSeconds:
    return TakeSeconds(
        key=f"{at:064}",
        made=NOON + timedelta(minutes=at),
        backend=take.backend,
        model=take.model,
        kind=take.kind.value,
        width=take.size.width,
        height=take.size.height,
        frames=take.frames,
        steps=take.sampling.steps,
        guidance=take.sampling.guidance,
        profile=take.sampling.profile,
        variant=take.sampling.variant,
        device=device,
        label=f"a {device}",
        devices=devices,
        seconds=seconds,
        guided_share=take.sampling.guided_share,
    )


def learnt(
    lines: Sequence[TakeSeconds], take: Take = WIDE, device: str = "cpu", labels: tuple[str, ...] = ()
) -> TakeTime:
    return MeasuredTimes(lines, Stepping(), device, labels).time(take, 3.0)


def test_equal_takes_count_and_neither_loading_nor_waiting_does() -> None:
    known = learnt([line(WIDE, {"preparing": 1, "loading": 40, "waiting": 9, "encoding": 4, "step": 90, "writing": 5})])

    assert known.seconds == pytest.approx(100.0)
    assert (known.is_guessed, known.samples, known.loading) == (False, 1, 40.0)
    assert known.low < 85.0
    assert known.high > 115.0


def test_takes_with_other_steps_share_the_fixed_part() -> None:
    measured = [line(WIDE, {"encoding": 4, "step": 100, "decoding": 6, "writing": 2})]

    quick = learnt(measured, replace(WIDE, sampling=Sampling(10, (5.0,), 5.0)))

    assert quick.seconds == pytest.approx(4 + 20 + 6 + 2)
    assert (quick.is_guessed, quick.samples) == (False, 0)
    assert quick.doubt > learnt(measured).doubt


def test_more_frames_cost_what_the_backend_expects_of_them() -> None:
    measured = [line(WIDE, {"encoding": 4, "step": 100, "decoding": 6, "writing": 2})]

    longer = learnt(measured, replace(WIDE, frames=161))

    assert 4 + 230 + 16 < longer.seconds < 4 + 400 + 16, "between linear and quadratic"


def test_another_profile_size_or_model_takes_what_the_backend_expects_at_the_measured_pace() -> None:
    measured = [line(WIDE, {"step": 180})]  # expected: 60 s

    small = replace(WIDE, size=Size(480, 272), model="other@1", sampling=Sampling(20, (5.0,), 5.0, "fast"))

    assert learnt(measured, small).seconds == pytest.approx(3 * 30.0)
    assert learnt(measured, small).doubt > 0.2


def test_without_measurements_it_is_the_backends_estimate_and_hardly_certain() -> None:
    guess = learnt([line(WIDE, {"step": 1.0}, device="cuda")])

    assert (guess.seconds, guess.is_guessed, guess.samples) == (63.0, True, 0)
    assert guess.high / guess.low > 3

    on_h200 = learnt([], device="cuda", labels=("NVIDIA H200",))
    assert 1.2 < on_h200.high / on_h200.low < 2, "the device that the backend was measured on"


def test_takes_of_other_devices_do_not_count_if_it_is_known_which_ones_render() -> None:
    measured = [line(WIDE, {"step": 90.0}, device="cuda")]

    assert learnt(measured, device="cuda", labels=("a cuda",)).seconds == pytest.approx(90.0)
    assert learnt(measured, device="cuda").seconds == pytest.approx(90.0), "any GPU may render"
    assert learnt(measured, device="cuda", labels=("NVIDIA H200",)).is_guessed


def test_groups_are_learnt_by_their_size() -> None:
    measured = [
        line(WIDE, {"step": 90.0}),
        line(WIDE, {"step": 50.0}, 1, devices=2),
        line(WIDE, {"step": 1.0}, 2, devices=4),
    ]

    known = learnt(measured)

    assert known.seconds == pytest.approx(90.0)
    assert known.together == {2: pytest.approx(50.0), 4: pytest.approx(1.0)}
    assert learnt(measured[1:]).is_guessed, "a group's time does not say that of one device"


def test_newer_takes_weigh_more_and_one_slow_take_does_not_matter() -> None:
    was, now = (
        [line(WIDE, {"step": 100.0}, at) for at in range(40)],
        [line(WIDE, {"step": 60.0}, at) for at in range(40, 70)],
    )
    assert learnt([*was, *now]).seconds == pytest.approx(60.0)

    slept = [*(line(WIDE, {"step": 60.0 + at % 2}, at) for at in range(30)), line(WIDE, {"step": 30_000.0}, 31)]
    known = learnt(slept)
    assert known.seconds == pytest.approx(60.5, abs=0.6)
    assert known.high < 90.0


def test_the_range_holds_four_of_five_takes_and_tightens() -> None:
    dice, inside, widths = Random(1), [0, 0, 0], [0.0, 0.0, 0.0]
    counts = (2, 4, 40)
    for _ in range(300):
        usual = dice.lognormvariate(4, 0.5)
        times = [line(WIDE, {"step": usual * dice.lognormvariate(0, 0.15)}, at) for at in range(max(counts))]
        new = usual * dice.lognormvariate(0, 0.15)
        for place, count in enumerate(counts):
            known = learnt(times[:count])
            inside[place] += known.low <= new <= known.high
            widths[place] += known.high / known.low

    assert all(0.75 < count / 300 < 0.92 for count in inside)
    assert widths[0] > widths[1] > widths[2]


def test_independent_errors_cancel_out_in_a_run_and_doubt_does_not() -> None:
    takes = [TakeTime(100.0, is_guessed=False, noise=0.2, doubt=0.1)] * 100

    run = spread(takes)

    assert run.noise == pytest.approx(0.02)
    assert run.doubt == pytest.approx(0.1)
    assert spread(takes, devices=4).noise == pytest.approx(0.04)
    low, high = run.around(1000.0)
    assert 876 < low < 878
    assert 1139 < high < 1141
    assert run.around(1000.0, known=0.9)[1] < 1035
    assert spread([]) == Spread()


def test_a_take_with_fewer_guided_steps_is_not_an_equal_one() -> None:
    partly = replace(WIDE, sampling=replace(WIDE.sampling, guided_share=0.5))
    known = [line(WIDE, {"step": 90.0})]
    assert (learnt(known).samples, learnt(known, partly).samples) == (1, 0)
    assert learnt([*known, line(partly, {"step": 60.0}, 1)], partly).seconds == pytest.approx(60.0)


def test_absurd_lines_lead_to_a_time_that_a_calendar_has() -> None:
    absurd = [line(replace(WIDE, frames=1), {"step": 1e8}), line(replace(WIDE, frames=10**6), {"decoding": 1e-8}, 1)]

    for known in (learnt(absurd), learnt(absurd[:1]), learnt(absurd[1:])):
        assert 0 < known.low <= known.seconds <= known.high < 1e9


def test_a_line_that_the_backend_cannot_estimate_is_not_used() -> None:
    strange = replace(line(WIDE, {"step": 5.0}), profile="none such")

    from wan_render.backends import backend

    known = MeasuredTimes([replace(strange, backend=backend("wan").id, device="cpu")], backend("wan"), "cpu")
    assert known.time(replace(WIDE, backend="wan/1"), 3.0).is_guessed
