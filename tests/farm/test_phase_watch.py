"""What counts as progress, and how long a phase may take."""

from __future__ import annotations

import pytest

from wan_render.farm.farm_settings import Stall
from wan_render.farm.process.phase_watch import PhaseWatch
from wan_render.render_values import Phase, Progress


def limit(*events: Progress, expected: float = 0.0) -> float:
    watch = PhaseWatch(Stall(), expected)
    for event in events:
        watch.hear(event)
    return watch.limit


def steps(*done: int) -> list[Progress]:
    return [Progress(Phase.STEP, each, 20) for each in done]


def test_each_phase_has_its_own_limit() -> None:
    assert limit() == 900
    assert limit(Progress(Phase.LOADING)) == 1800
    assert limit(Progress(Phase.WAITING)) == 60


def test_a_take_that_is_expected_to_take_long_gets_more_time() -> None:
    assert limit(Progress(Phase.DECODING), expected=1000.0) == 2000
    assert limit(*steps(0), expected=1000.0) == 1000  # 50 s a step
    assert limit(Progress(Phase.WAITING), expected=1e6) == 60, "waiting measures silence"


def test_steps_are_judged_by_those_before_them() -> None:
    assert limit(*steps(0, 1, 2)) == 600, "the first two also warm up"
    assert limit(*steps(0, 1, 2, 3)) == 60


def test_patience_multiplies_every_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_PATIENCE", "0.5")
    assert limit(Progress(Phase.LOADING)) == 900
