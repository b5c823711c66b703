"""The method of the film's rate: what it needs on this machine. And what evening the motion needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plan.conftest import Mistakes, Plan
from wan_render.wheel_weights import RIFE

AT_24 = "version: 1\nfilm: {rate: {fps: 24, method: rife}}\nkeyframes: keyframes/\nshots: [{from: a}]"


def test_rife_needs_its_weights_only_where_a_shot_is_retimed(
    plan: Plan, mistakes: Mistakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    (mistake,) = mistakes(AT_24)
    assert "film.rate.method: rife: its weights are not on this machine; run: wan-render models pull rife" in mistake
    assert plan(AT_24.replace("fps: 24", "fps: 16")).retimer is None

    file = RIFE.file("rife", tmp_path / "weights")
    file.parent.mkdir(parents=True)
    with file.open("wb") as stream:
        stream.truncate(RIFE.bytes)
    found = plan(AT_24)
    assert (found.retime, found.retimer) == ("rife", file)


EVENED = """version: 1
film: {rate: {method: METHOD}, ease_joints: on, repair_jumps: on}
keyframes: keyframes/
shots:
  - {from: a, to: b}
  - {from: b, to: c, hold: 1s}
  - {from: c, to: d, transition: dissolve 8f}
  - {from: d, to: e}
  - {from: e, to: f}
"""

CUT = """film: {ease_joints: on}
keyframes: keyframes/
shots: [{from: a, to: b, transition: cut}, {from: b, to: c}]
"""


def test_plan_counts_the_joints_that_can_be_eased(plan: Plan) -> None:
    found = plan(EVENED.replace("METHOD", "flow"))
    assert (found.ease_joints, found.repair_jumps) == (True, True)
    (note,) = [note for note in found.notes if "ease_joints" in note.where]
    assert note.found == "2 of 4 joints are eased if motion slows down there; not eased: 1 hold, 1 dissolve"
    alone = plan(EVENED.partition("film:")[0] + CUT)
    assert [warning.found for warning in alone.warnings if "ease" in warning.where] == ["no joint can be eased: 1 cut"]


def test_evening_needs_a_method_that_makes_frames_and_its_weights(
    mistakes: Mistakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path))
    found = mistakes(EVENED.replace("METHOD", "duplicate"))
    assert len(found) == 2
    assert all("duplicate, makes no frames in between" in each for each in found)
    (rife,) = mistakes(EVENED.replace("METHOD", "rife"))
    assert "models pull rife" in rife
