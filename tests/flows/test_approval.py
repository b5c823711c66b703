"""`approval`: nothing is rendered before a person has said so, and nothing but what was approved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.flows.conftest import Farm, until
from tests.flows.films import write_film
from wan_render.devices import cpu
from wan_render.farm.locks.device_lock import DeviceLock

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


def test_a_film_is_rendered_once_it_was_approved_and_a_retry_does_not_ask(farm: Farm, tmp_path: Path) -> None:
    others = _takes(farm)
    run = farm.run("film/now", storyboard=str(write_film(tmp_path / "asked")), approval=True)
    farm.waits(run)
    assert _takes(farm) == others
    assert farm.tasks(run) == {}
    assert _is_free(farm)
    plan = farm.artifact(run, "plan-asked")
    assert "# asked: 2 takes to render\n2 takes to render on 1 device: about " in plan
    assert "\n## 1/010 take 1\n\nfirst take · wan2\\.1" in plan.replace("wan2.1", "wan2\\.1")
    assert "17 frames, 64x64" in plan
    assert "\nmoves on\n\n| k0 → | k1 |\n|---|---|\n| ![][picture-0] | ![][picture-1] |\n" in plan
    assert plan.count(": data:image/jpeg;base64,") == 3  # the picture between the shots is there once
    assert "@" not in plan.replace(str(tmp_path), "")  # no repository's name
    until(10, lambda: "the artifact plan-asked of http" in farm.logs(run))

    assert farm.resume(run)["status"] == "REJECT"  # to resume is not to approve
    assert farm.resume(run, render=True, note="go")["status"] == "ACCEPT"
    assert farm.ended(run)["name"] == "Completed"
    until(10, lambda: "approved: go" in farm.logs(run))
    assert farm.tasks(run) == {"1/010 take 1": ["Completed"], "1/020 take 1": ["Completed"], "film": ["Completed"]}

    shutil.rmtree((_takes(farm) - others).pop())
    farm.ask("POST", f"/flow_runs/{run}/set_state", state={"type": "SCHEDULED"}, force=True)  # as `flow-run retry` does
    assert farm.ended(run)["name"] == "Completed"
    ended = [states[-1] for states in farm.tasks(run).values()]
    assert sorted(ended) == ["Completed", "Completed", "Reused"]


def test_what_was_edited_meanwhile_is_asked_about_again(farm: Farm, tmp_path: Path) -> None:
    storyboard = write_film(tmp_path / "edited")
    others = _takes(farm)
    run = farm.run("film/now", storyboard=str(storyboard), approval=True)
    farm.waits(run)
    storyboard.write_text(storyboard.read_text(encoding="utf-8").replace("moves on", "stands"), encoding="utf-8")
    farm.resume(run, render=True)
    until(30, lambda: "what is to be rendered is not what was approved; 2 takes" in farm.logs(run))
    farm.waits(run)
    assert "**This is not what was approved" in farm.artifact(run, "plan-edited")
    farm.resume(run, render=False, note="too dear")
    state = farm.ended(run)
    assert (state["name"], state["message"]) == ("Cancelled", "edited: was not approved; too dear")
    assert _takes(farm) == others
    assert not (farm.outputs / "films" / "edited" / "v001").exists()


def test_a_film_that_lacks_nothing_is_not_held(farm: Farm, tmp_path: Path) -> None:
    storyboard = tmp_path / "still" / "storyboard.yaml"
    write_film(storyboard.parent)
    head = storyboard.read_text(encoding="utf-8").partition("shots:")[0]
    storyboard.write_text(f"{head}shots: [{{still: k0}}]\n", encoding="utf-8")
    run = farm.run("film/now", storyboard=str(storyboard), approval=True)
    assert farm.ended(run)["name"] == "Completed"
    until(10, lambda: "every take exists" in farm.logs(run))


def _takes(farm: Farm) -> set[Path]:
    return {record.parent for record in farm.outputs.glob("takes/*/take.json")}


def _is_free(farm: Farm) -> bool:
    """Whether nobody holds the device, or has a process on it."""
    lock = DeviceLock(Path(farm.environment["WAN_RENDER_LOCKS"]), cpu())
    if not lock.acquire():
        return False
    lock.release()
    return not farm.devices()
