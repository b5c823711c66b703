"""The flow `film` by the real server, worker and command line: every way in which it ends."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.flows.conftest import BEFORE_PREFECT_KILLS, Farm, until
from tests.flows.films import write_film, write_slow_film
from tests.flows.project import PROJECT
from tests.reference import produce
from wan_render.backends import backend
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.devices import cpu
from wan_render.facts import FactCache
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.plan import make_plan
from wan_render.store import Store
from wan_render.storyboard import read_storyboard

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "small")


@pytest.fixture(scope="module")
def made(farm: Farm, small: Path) -> str:
    """A run that was asked for as the README says; its id."""
    done, run = farm.watch(small)
    assert done.returncode == 0, done.stdout + done.stderr
    return run


def test_a_run_is_a_film_with_a_name_and_a_bar_for_every_take(farm: Farm, made: str) -> None:
    run = farm.ask("GET", f"/flow_runs/{made}")
    assert run["state"]["name"] == "Completed"
    assert Path(run["state"]["message"]) == farm.outputs / "films" / "small" / "v001" / "film.mp4"
    assert run["name"] == "small"
    assert farm.tasks(made) == {"1/010 take 1": ["Completed"], "1/020 take 1": ["Completed"], "film": ["Completed"]}


def test_a_run_leaves_its_shots_and_the_way_to_its_review_page(farm: Farm, made: str) -> None:
    shots = json.loads(farm.artifact(made, "shots-small"))
    assert [(shot["shot"], shot["before"], shot["now"]) for shot in shots] == [
        ("1/010", "missing", "rendered"),
        ("1/020", "missing", "rendered"),
    ]
    page = farm.artifact(made, "film-small")
    assert re.search(r"\[review page\]\(/outputs/[\w-]{32}/\w{12}/films/small/v001/index\.html\)", page)
    unescaped = page.replace("\\", "")  # Markdown: the farm's folder may have underscores in its name
    assert f": {farm.outputs / 'films' / 'small' / 'v001' / 'index.html'}\n" in unescaped
    assert "file:" not in page


def test_the_film_is_the_one_that_the_sequential_reference_makes(
    farm: Farm, made: str, small: Path, tmp_path: Path
) -> None:
    assert made
    cache = FactCache(tmp_path)
    models, animatic = catalogue(cache), backend("animatic")
    plan = make_plan(
        read_storyboard(small, models=models, cache=cache), models=models, backend_id=animatic.id, cache=cache
    )
    ours, theirs = Store(tmp_path / "outputs"), Store(farm.outputs)
    reference, film = produce(plan, animatic, ours, cpu()), theirs.films.latest("small")
    assert film is not None
    assert (film.key, film.takes, film.frames) == (reference.key, reference.takes, reference.frames)
    for take in film.takes:
        assert _digest(farm.outputs, take) == _digest(tmp_path / "outputs", take)


def test_what_is_there_is_reused_and_the_unchanged_film_not_made_again(farm: Farm, made: str, small: Path) -> None:
    assert made
    again = farm.run("film/now", storyboard=str(small))
    assert farm.ended(again)["message"].endswith("v001/film.mp4 (unchanged)")
    assert farm.tasks(again) == {"1/010 take 1": ["Reused"], "1/020 take 1": ["Reused"], "film": ["Completed"]}


def test_a_film_with_slates_ends_partial_with_exit_code_1(farm: Farm, tmp_path: Path) -> None:
    storyboard = write_film(tmp_path / "partial")
    done, run = farm.watch(storyboard, "only=1/020")
    assert done.returncode == 1
    state = farm.state(run)
    assert (state["type"], state["name"]) == ("FAILED", "Partial")
    film = farm.outputs / "films" / "partial" / "v001" / "film.mp4"
    assert state["message"] == f"{film}, not whole: slate: 1/010: not rendered: not selected"
    assert film.is_file()
    assert farm.tasks(run)["1/010 take 1"] == ["Skipped"]


def test_a_run_says_what_the_terminal_warns_of(farm: Farm, tmp_path: Path) -> None:
    storyboard = write_film(tmp_path / "warned")
    shots = "  - {card: 'the end Ꮳ', duration: 1s}\n  - {from: k0, to: k1, action: x, circle: 1@7f3a91}\n"
    head = storyboard.read_text(encoding="utf-8").partition("shots:")[0]
    storyboard.write_text(f"{head}shots:\n{shots}", encoding="utf-8")
    terminal = subprocess.run(
        [sys.executable, "-m", "wan_render.cli", "render", "--backend", "animatic", storyboard],
        env={**farm.environment, "WAN_RENDER_OUTPUTS": str(tmp_path / "outputs")},
        capture_output=True,
        text=True,
        check=False,
    )
    prefix = "warning: "
    warnings = [line.removeprefix(prefix) for line in terminal.stderr.splitlines() if line.startswith(prefix)]
    assert "no font has a glyph for Ꮳ" in "\n".join(warnings)
    assert "this shot will be a slate" in "\n".join(warnings)
    run = farm.run("film/now", storyboard=str(storyboard))
    assert farm.ended(run)["name"] == "Partial"
    until(10, lambda: set(warnings) <= set(farm.logs(run).splitlines()))  # logs arrive after the end


@pytest.mark.spawned
def test_a_cancel_frees_the_devices_within_seconds(farm: Farm, tmp_path: Path) -> None:
    run = farm.run("film/now", storyboard=str(write_slow_film(tmp_path / "cancelled")))
    farm.rendering(run)
    farm.freeze()
    assert farm.prefect("flow-run", "cancel", run).returncode == 0
    until(3, lambda: not farm.devices(), BEFORE_PREFECT_KILLS)
    assert farm.ended(run, 15)["name"] == "Cancelled"
    until(10, lambda: ": was stopped')" in farm.logs(run))
    assert "1/120 take 1" not in farm.tasks(run), "what had not begun leaves no task"
    assert farm.alarms(run) == []


def test_a_wait_is_logged_once_and_is_no_part_of_a_takes_bar(farm: Farm, tmp_path: Path) -> None:
    device = DeviceLock(Path(farm.environment["WAN_RENDER_LOCKS"]), cpu())
    assert device.acquire()
    run = farm.run("film/now", storyboard=str(write_film(tmp_path / "patient", shots=1)))
    until(60, lambda: "waiting for cpu" in farm.logs(run))
    time.sleep(4)  # it looks every second
    assert farm.tasks(run) == {}
    free = datetime.now(UTC)
    device.release()
    assert farm.ended(run)["name"] == "Completed"
    found = farm.ask("POST", "/task_runs/filter", flow_runs={"id": {"any_": [run]}}, sort="EXPECTED_START_TIME_ASC")
    (take,) = (task for task in found if task["name"] == "1/010 take 1")
    assert datetime.fromisoformat(take["start_time"]) >= free
    until(10, lambda: "Finished in state Completed" in farm.logs(run))
    assert farm.logs(run).count("waiting for cpu") == 1
    assert " waits: " not in farm.logs(run)


def test_a_cancel_reaches_a_film_whose_worker_is_dead(farm: Farm, tmp_path: Path) -> None:
    run = farm.run("film/now", storyboard=str(write_slow_film(tmp_path / "orphaned")))
    farm.rendering(run)
    farm.freeze()
    farm.processes("farm_worker")[0].kill()
    farm.ask("POST", f"/flow_runs/{run}/set_state", state={"type": "CANCELLING"}, force=True)
    until(8, lambda: not farm.devices(), BEFORE_PREFECT_KILLS)
    assert farm.ended(run, 10)["name"] == "Cancelled"
    until(30, lambda: "the worker had died and was started again" in farm.said)


@pytest.mark.spawned
def test_a_killed_film_is_crashed_and_its_retry_renders_only_what_is_missing(farm: Farm, tmp_path: Path) -> None:
    run = farm.run("film/now", storyboard=str(write_slow_film(tmp_path / "killed", shots=8)))
    farm.rendering(run, finished=2)
    reported = farm.reported_crashes()
    farm.flows(run)[0].kill()
    until(2, lambda: not farm.devices(), BEFORE_PREFECT_KILLS)
    assert farm.ended(run, 15)["name"] == "Crashed"
    until(40, lambda: farm.reported_crashes() > reported)
    finished = len([states for states in farm.tasks(run).values() if states == ["Completed"]])

    farm.ask("POST", f"/flow_runs/{run}/set_state", state={"type": "SCHEDULED"}, force=True)  # as `flow-run retry` does
    farm.rendering(run)
    farm.devices()[0].send_signal(signal.SIGKILL)  # an attempt of the retry dies, too
    assert farm.ended(run)["name"] == "Completed"
    ended = [states[-1] for states in farm.tasks(run).values()]
    assert ended.count("Reused") >= finished
    assert "was killed (signal 9)" in farm.logs(run)
    assert re.search(r"Retry 1/\d", farm.logs(run))


def test_a_run_that_had_ended_stays_so_when_a_slow_worker_starts_it_again(farm: Farm, tmp_path: Path) -> None:
    """It still holds the run as one that waits, and moves it to Pending, as Prefect lets it before 3.9.4."""
    others = set(farm.outputs.glob("takes/*"))
    run = farm.run("film/now", storyboard=str(write_film(tmp_path / "stale", shots=1)))
    ended = farm.ended(run)
    assert ended["name"] == "Completed"
    shutil.rmtree((set(farm.outputs.glob("takes/*")) - others).pop())
    takes = farm.takes()
    moved = farm.ask("POST", f"/flow_runs/{run}/set_state", state={"type": "PENDING"})
    assert moved["status"] == "ACCEPT", "Prefect stops it itself: flows/runs/ended.py can go"
    subprocess.run(
        [sys.executable, "-m", "prefect.engine"],
        cwd=PROJECT,
        env={
            **farm.environment,
            "PREFECT__FLOW_RUN_ID": run,
            "PREFECT_API_AUTH_STRING": farm.password,
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (farm.state(run)["name"], farm.state(run)["message"]) == ("Completed", ended["message"])
    assert farm.takes() == takes
    until(10, lambda: "this run had ended as Completed, and nobody asked for a retry" in farm.logs(run))


def _digest(outputs: Path, take: str) -> str:
    return hashlib.sha256((outputs / "takes" / take / "clip.mkv").read_bytes()).hexdigest()
