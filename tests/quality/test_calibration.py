"""What circled and refused takes say of the limits."""

from __future__ import annotations

from wan_render.quality.calibration import LEAST_CIRCLED, ChosenTake, ThresholdProposal, proposed_thresholds
from wan_render.quality.measurements import MEASURING, Measurements
from wan_render.quality.thresholds import Threshold

HIGH = Threshold("noise", "noise", "noise", 0.8, 1.0, "high", "a test")
LOW = Threshold("sharpness", "sharpness", "sharpness", 0.6, 0.5, "low", "a test")


def takes(circled: list[float], refused: list[float], measure: str = "noise") -> list[ChosenTake]:
    chosen = [(value, True) for value in circled] + [(value, False) for value in refused]
    return [ChosenTake(Measurements(81, 0.01, {measure: value}), is_circled) for value, is_circled in chosen]


def proposal(row: Threshold, chosen: list[ChosenTake]) -> ThresholdProposal:
    return proposed_thresholds(chosen, [row])[0]


def test_a_circled_take_that_fails_loosens_the_limit() -> None:
    found = proposal(HIGH, takes([0.2, 1.2], []))
    assert found.is_change
    assert 1.2 < found.fail < 1.4
    assert (found.circled, found.circled_failing) == (2, 1)
    low = proposal(LOW, takes([0.9, 0.4], [], "sharpness"))
    assert 0.3 < low.fail < 0.4


def test_refused_takes_that_pass_tighten_the_limit_if_many_circled_ones_allow_it() -> None:
    refused = [0.6, 0.7, 0.8]
    found = proposal(HIGH, takes([0.2] * LEAST_CIRCLED, refused))
    assert 0.22 < found.fail < 0.6
    assert (found.refused, found.refused_failing) == (3, 0)
    assert not proposal(HIGH, takes([0.2] * (LEAST_CIRCLED - 1), refused)).is_change
    assert not proposal(HIGH, takes([0.2] * LEAST_CIRCLED, refused[:2])).is_change


def test_takes_refused_for_other_reasons_change_nothing() -> None:
    found = proposal(HIGH, takes([0.2] * LEAST_CIRCLED, [0.1] * 10))
    assert found.fail == HIGH.fail
    assert found.why == "nothing speaks against it"


def test_other_versions_of_the_measures_do_not_count() -> None:
    old = ChosenTake(Measurements(81, 0.01, {"noise": 5.0}, version=MEASURING - 1), is_circled=True)
    assert proposal(HIGH, [old]).circled == 0
