"""`wan-render submit`, `queue`, `status`, `approve` and `reject`, as somebody types them, on a real farm."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_PROFILES_PATH, temporary_settings

from flows.farm_queue.queue_report import PAUSED
from tests.flows.conftest import PROJECT, Farm, until
from tests.flows.films import write_film, write_slow_film
from tests.ports import free_port
from wan_render.cli import main
from wan_render.store.disk import user_name

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

ME = user_name(os.geteuid())


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Typed = Callable[..., Done]


@pytest.fixture
def typed(farm: Farm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    """`typed("queue", "--json")`: the command line in this process, with the farm's variables. It must not end with a
    defect. The queue is empty before a test: all of them end what they began, and what strangers left in the old farm
    (tests/flows/old_farm.py) goes."""
    for name, value in farm.environment.items():
        if name.startswith(("WAN_RENDER", "XDG")):
            monkeypatch.setenv(name, value)
    settings = {
        PREFECT_API_URL: farm.environment["PREFECT_API_URL"],
        PREFECT_API_AUTH_STRING: farm.password,
        PREFECT_PROFILES_PATH: farm.environment["PREFECT_PROFILES_PATH"],
    }

    def run(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = main(list(map(str, arguments)))
        done = Done(code, *capsys.readouterr())
        assert "a defect" not in done.err, done.err
        return done

    farm.end(farm.open_runs())
    with temporary_settings(settings):
        yield run


def queue(typed: Typed) -> dict[str, dict[str, Any]]:
    """By film, in the queue's order."""
    done = typed("queue", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["version"] == 1
    return {film["film"]: film for film in report["queue"]}


def in_three_hours() -> str:
    """A time of day."""
    return (datetime.now().astimezone() + timedelta(hours=3)).strftime("%H:%M")


def test_films_are_queued_in_order_under_their_names_and_one_is_cancelled(
    farm: Farm, typed: Typed, tmp_path: Path
) -> None:
    long = write_slow_film(tmp_path / "hours")
    others = [write_film(tmp_path / name) for name in ("second", "third")]
    done = typed("submit", long, *others)
    assert done.code == 0, done.err
    outputs = f"outputs: {farm.outputs}"
    assert done.err.startswith(outputs)
    assert done.err.count(outputs) == 1
    said = done.out.splitlines()
    assert re.match(r"hours: to render: 12 takes, about \d+ s on 1 device, then \d+ s for the film, .* free\)", said[0])
    places = [line.strip().partition(":")[0] for line in said if line.startswith("  queued")]
    assert places[1:] == ["queued after 1 film", "queued after 2 films"]
    assert said[-1] == "A film reads its storyboard again when it starts: edits until then count."

    farm.freeze()
    found = queue(typed)
    assert [(name, film["state"], film["asked_by"]) for name, film in found.items()] == [
        ("hours", "running", ME),
        ("second", "waiting", ME),
        ("third", "waiting", ME),
    ]
    ends = [film["expected_end"] for film in found.values()]
    assert None not in ends
    assert ends == sorted(ends)
    head, running, *_ = typed("queue").out.splitlines()
    assert re.sub(" +", " ", head.replace("progress", "")) == " film state starts done asked by"
    assert running.split()[:2] == ["hours", "running"]
    assert "hours: running, started " in typed("status", "hours").out

    again = typed("submit", others[0])
    assert again.code == 0, again.err
    assert f"  not queued twice: it is in the queue already, asked for by {ME}\n  queued after 1 film" in again.out
    cancelled = typed("queue", "cancel", "second")
    assert (cancelled.code, cancelled.out) == (0, "second: taken out of the queue\n")
    assert list(queue(typed)) == ["hours", "third"]
    stopped = typed("queue", "cancel", "hours")
    assert stopped.out.startswith("hours: is being stopped")
    assert farm.ended(found["hours"]["run"])["name"] == "Cancelled"
    assert farm.ended(found["third"]["run"])["name"] == "Completed"
    until(10, lambda: "2 takes to render" in farm.logs(found["third"]["run"]))

    told = typed("status", "third").out
    film = farm.outputs / "films" / "third" / "v001"
    assert re.match(rf"third: completed at \d\d:\d\d: {film}/film.mp4; asked for by {ME}\n", told)
    assert re.search(r"1/020 take 1 +completed +rendered in", told)
    log = told.partition("the end of its log:")[2]
    assert "2 takes to render on 1 device: about " in log
    assert "  1/010 take 1: Finished in state Completed('rendered in " in log
    assert re.search(r"its page +http://127.0.0.1:\d+/outputs/.*/films/third/v001/index.html\n", told)
    assert f"/runs/flow-run/{found['third']['run']}" in told
    report = json.loads(typed("status", "third", "--json").out)
    assert (report["version"], report["film"], report["run"]) == (1, "third", found["third"]["run"])
    assert (report["state"], report["message"], report["asked_by"]) == ("Completed", f"{film}/film.mp4", ME)
    assert (report["queue"], report["question"]) == ([], "")
    assert {take["take"]: take["state"] for take in report["takes"]} == {
        "1/010 take 1": "Completed",
        "1/020 take 1": "Completed",
        "film": "Completed",
    }
    assert datetime.fromisoformat(report["started"]) < datetime.fromisoformat(report["ended"])
    assert report["log"][-1]["level"] == "INFO"
    assert report["places"]["newest_film"] == f"{film}/film.mp4"


def test_a_film_is_approved_and_another_rejected_in_the_terminal(farm: Farm, typed: Typed, tmp_path: Path) -> None:
    yes, no = (write_film(tmp_path / name, shots=1) for name in ("wanted", "unwanted"))
    assert typed("submit", "--approval", yes, no).code == 0
    runs = {name: film["run"] for name, film in queue(typed).items()}
    for run in runs.values():
        farm.waits(run)
    assert (
        "answer it: wan-render approve wanted, or wan-render reject wanted --note WHY" in typed("status", "wanted").out
    )
    asked = json.loads(typed("status", "wanted", "--json").out)
    assert asked["question"].startswith("1 take to render")
    assert asked["queue"][0]["state"] == asked["state"] == "waits for approval"
    again = typed("submit", yes)
    assert again.code == 2
    assert f"wanted: is in the queue already, asked for by {ME} in another way: with approval; " in again.err
    assert "wan-render queue cancel wanted; then submit it again. Nothing was queued" in again.err

    approved = typed("approve", "wanted", "--note", "go")
    assert approved.code == 0, approved.err
    assert approved.out.startswith("1 take to render on 1 device: about ")
    assert approved.out.endswith("wanted: approved; it is rendered when its turn comes\n")
    rejected = typed("reject", "unwanted", "--note", "too \x1b[31mdear")
    assert rejected.code == 0, rejected.err
    state = farm.state(runs["unwanted"])
    assert (state["name"], state["message"]) == ("Cancelled", "unwanted: was not approved; too \\u001b[31mdear")
    assert state["message"] in typed("status", "unwanted").out.partition("log:")[2]
    assert farm.ended(runs["wanted"])["name"] == "Completed"
    late = typed("approve", "wanted")
    assert (late.code, late.err) == (2, "'wanted': no film of the queue; the queue is empty\n")


def test_one_mistake_and_nothing_is_queued(typed: Typed, tmp_path: Path) -> None:
    good, bad = (write_film(tmp_path / name, shots=1) for name in ("good", "bad"))
    bad.write_text(bad.read_text(encoding="utf-8").replace("duration", "duratoin"), encoding="utf-8")
    done = typed("submit", good, bad, tmp_path / "none.yaml")
    assert done.code == 2
    assert done.out == ""
    mistake, missing, last = done.err.splitlines()
    assert mistake == f"{bad}:3:12: defaults.duratoin: unknown key; did you mean 'duration'?"
    assert missing.startswith(f"{tmp_path}/none.yaml: ")
    assert last == "submit: no film was queued; correct this, then submit all of them again"
    twin = shutil.copytree(good.parent, tmp_path / "twin") / "storyboard.yaml"
    same = typed("submit", good, twin)
    assert same.code == 2
    assert f"{twin}: makes the film good, as {good} does; submit one of them" in same.err
    assert typed("submit", "--only", "1/990", good).code == 2
    assert typed("submit", "--at", "25:00", good).code == 2
    assert not {"good", "bad"} & set(queue(typed))


def test_a_film_for_later_keeps_its_time_and_its_place(typed: Typed, tmp_path: Path) -> None:
    first, second = (write_film(tmp_path / name, shots=1) for name in ("evening", "night"))
    at = in_three_hours()
    done = typed("submit", "--at", at, first, second)
    assert done.code == 0, done.err
    found = queue(typed)
    assert [(name, film["state"]) for name, film in found.items()] == [
        ("evening", "scheduled"),
        ("night", "scheduled"),
    ]
    due = datetime.fromisoformat(found["evening"]["due"])
    assert timedelta(hours=2) < due - datetime.now(UTC) <= timedelta(hours=3)
    now = typed("submit", first)
    assert now.code == 2
    assert f"asked for by {ME} in another way: at " in now.err
    assert "not queued twice" in typed("submit", "--at", at, first).out
    for name in found:
        assert typed("queue", "cancel", name).out == f"{name}: taken out of the queue\n"
    assert queue(typed) == {}
    assert typed("queue").out == "nothing runs, nothing waits\n"
    assert typed("queue", "--watch").out == "nothing runs, nothing waits\n"


def test_hostile_names_come_out_as_text_and_from_any_folder(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a \x1b[2J\u202eb\nc"
    storyboard = write_film(folder, shots=1)
    text = storyboard.read_text(encoding="utf-8")
    text = re.sub(r"title: .*?, raster", "title: strange, slug: strange, raster", text, flags=re.DOTALL)
    storyboard.write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    done = typed("submit", "--at", in_three_hours(), "storyboard.yaml")
    assert done.code == 0, done.err
    for told in (done.out, typed("status", "strange").out, typed("queue").out):
        assert all(line.isprintable() for line in told.splitlines())
    assert queue(typed)["strange"]["parameters"]["storyboard"] == str(storyboard)
    typed("queue", "cancel", "strange")

    unsayable = tmp_path / os.fsdecode(b"\xff")
    shutil.copytree(folder, unsayable)
    refused = typed("submit", unsayable / "storyboard.yaml")
    assert refused.code == 2
    assert "its path is not UTF-8, as the farm's server wants it" in refused.err


def test_it_is_said_which_of_several_users_asked(farm: Farm, typed: Typed, tmp_path: Path) -> None:
    storyboard = write_film(tmp_path / "theirs", shots=1)
    deployment = farm.ask("GET", "/deployments/name/film/now")["id"]
    later = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    farm.ask(
        "POST",
        f"/deployments/{deployment}/create_flow_run",
        name="theirs",
        parameters={"storyboard": str(storyboard)},
        labels={"wan-render.requested-by": "bo\x1b[31m", "wan-render.slug": "theirs"},
        state={"type": "SCHEDULED", "state_details": {"scheduled_time": later}},
    )
    assert queue(typed)["theirs"]["asked_by"] == "bo\x1b[31m"
    assert typed("queue").out.splitlines()[1].endswith("  bo\\u001b[31m")
    mine = typed("submit", storyboard)
    assert mine.code == 2
    assert "theirs: is in the queue already, asked for by bo\\u001b[31m in another way: at " in mine.err
    typed("queue", "cancel", "theirs")


def test_the_farm_is_found_by_the_environment(farm: Farm) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wan_render.cli", "queue"],
        cwd=PROJECT,
        env=farm.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_paused_queue_says_so(farm: Farm, typed: Typed, tmp_path: Path) -> None:
    farm.ask("PATCH", "/work_pools/wan-render", is_paused=True)
    try:
        done = typed("submit", write_film(tmp_path / "held"))
        listed, state = typed("queue").out, typed("farm", "status").out
    finally:
        farm.ask("PATCH", "/work_pools/wan-render", is_paused=False)
    assert "queued; it is next; when it ends is unknown: the queue is paused" in done.out
    assert all(PAUSED in said for said in (done.out, listed, state))


def test_without_the_password_or_a_running_farm_it_says_what_to_do(
    farm: Farm, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with temporary_settings({PREFECT_API_AUTH_STRING: f"{farm.password}x"}):
        wrong = typed("queue")
    assert (wrong.code, wrong.out) == (3, "")
    assert "the farm: the server at http://127.0.0.1:" in wrong.err
    assert "refuses the password; start it in wan-render's folder" in wrong.err
    assert farm.password not in wrong.err

    (tmp_path / "farm").mkdir()
    (tmp_path / "farm" / "farm.lock").touch()
    with temporary_settings({PREFECT_PROFILES_PATH: tmp_path / "farm" / "profiles.toml"}):
        off = typed("queue")
    assert (off.code, off.err) == (
        3,
        f"the farm: isn't running; its folder is {tmp_path}/farm; "
        "start it in wan-render's folder, and leave it running: make farm\n",
    )
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", farm.password)
    with temporary_settings({PREFECT_PROFILES_PATH: tmp_path / "farm" / "profiles.toml"}):
        assert typed("queue").code == 0, "a farm was here once, and this is the password of a server elsewhere"
    api = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: api, PREFECT_PROFILES_PATH: tmp_path / "none"}):
        away = typed("submit", write_film(tmp_path / "good"))
    assert away.code == 3
    assert away.err.startswith(f"the farm: isn't running: nothing listens at {api}; start it")
