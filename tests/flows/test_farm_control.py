"""`wan-render farm`: a farm is drained and goes on, a device is released."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.farm_home.home import PASSWORD, close
from flows.farm_home.quarantine_notes import QuarantineNotes, quarantined_devices
from flows.farm_home.run_lock import hold
from flows.serving.gate import Gate
from flows.serving.listening import listen
from flows.shown.names import NIGHT_UNTIL
from flows.upkeep.server_address import own_names
from tests.flows.conftest import Farm, environment
from tests.flows.films import write_slow_film
from tests.flows.test_home import farm_up
from tests.ports import free_port

pytestmark = pytest.mark.prefect


@pytest.mark.slow
def test_a_drain_finishes_the_takes_that_have_begun_and_the_film_goes_on_later(farm: Farm, tmp_path: Path) -> None:
    run = farm.run("film/now", storyboard=str(write_slow_film(tmp_path / "drained", shots=8)))
    farm.rendering(run)
    drained = farm.wan_render("farm", "drain")
    assert (drained.returncode, drained.stdout.splitlines()[-1].partition(":")[0]) == (0, "drained"), drained.stderr
    assert farm.devices() == []
    state, takes = farm.state(run), farm.takes()
    assert (state["type"], state["message"].partition(".")[0]) == ("SCHEDULED", "waits again: the farm was drained")
    time.sleep(3)  # the worker asks every second
    assert (farm.state(run)["type"], farm.takes()) == ("SCHEDULED", takes)
    status = json.loads(farm.wan_render("farm", "status", "--json").stdout)
    assert (status["draining"], status["rendering"], status["waiting"]) == (True, 0, 1)
    assert [machine["online"] for machine in status["machines"]] == [True]
    assert "takes films again" in farm.wan_render("farm", "up").stdout
    assert farm.ended(run)["name"] == "Completed"
    assert farm.alarms(run) == []
    assert [states.count("Completed") for name, states in farm.tasks(run).items() if "take" in name] == [1] * 8


@pytest.mark.slow
@pytest.mark.thorough
def test_a_night_that_was_drained_goes_on_until_its_own_end(farm: Farm, tmp_path: Path) -> None:
    write_slow_film(tmp_path / "night" / "drained at night", shots=8)
    ends = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=3)
    run = farm.run("batch/overnight", folder=str(tmp_path / "night"), until=f"{ends:%H:%M}", timezone="UTC")
    farm.rendering(run)
    assert farm.wan_render("farm", "drain").returncode == 0
    assert farm.state(run)["type"] == "SCHEDULED"
    assert datetime.fromisoformat(farm.ask("GET", f"/flow_runs/{run}")["labels"][NIGHT_UNTIL]) == ends
    farm.wan_render("farm", "up")
    assert farm.ended(run)["name"] == "Completed"


def test_without_a_farm_there_is_nothing_to_drain_or_stop(tmp_path: Path) -> None:
    farm = Farm(tmp_path, environment(tmp_path, 1), None)  # type: ignore[arg-type]
    for words in (("drain",), ("stop",), ("stop", "--now"), ("stop", "--only", "worker")):
        done = farm.wan_render("farm", *words)
        assert (done.returncode, done.stderr.partition(";")[0]) == (3, "the farm: isn't running"), words
    assert farm.wan_render("farm", "stop", "--only", "it").returncode == 2


def test_the_note_of_a_quarantine_is_removed_to_release_the_device(tmp_path: Path) -> None:
    farm = Farm(tmp_path, environment(tmp_path, 1), None)  # type: ignore[arg-type]
    home = tmp_path / "farm"
    close(home)
    notes, of_a_killed_run = QuarantineNotes(home, "run"), QuarantineNotes(home, "killed")
    assert hold(home, "run")
    assert notes.tell(("cuda:0", "cuda:1")) == ()
    of_a_killed_run.tell(("cuda:7",))
    assert [each.device for each in quarantined_devices(home)] == ["cuda:0", "cuda:1"]
    wrong = farm.wan_render("farm", "release", "cuda:2")
    assert wrong.returncode == 2
    assert "'cuda:2': is not quarantined; quarantined are cuda:0, cuda:1" in wrong.stderr
    assert farm.wan_render("farm", "release", "cuda:1").returncode == 0
    assert notes.tell(("cuda:0", "cuda:1")) == ("cuda:1",)
    assert notes.tell(("cuda:0",)) == ()
    notes.close()
    assert quarantined_devices(home) == ()


def test_a_server_for_other_machines_needs_a_password_that_they_can_have(tmp_path: Path) -> None:
    home = tmp_path / "farm"
    done = farm_up(home, "--listen", "0.0.0.0")  # noqa: S104 - it is refused
    assert done.returncode == 2
    assert "--listen: 0.0.0.0 can be reached from other machines, and the server has no password yet" in done.stderr
    assert not (home / PASSWORD).exists()
    done = farm_up(home, "--listen", "everywhere")
    assert (done.returncode, done.stderr.partition(";")[0]) == (2, "--listen: everywhere is no address")


def test_the_server_is_opened_to_names_that_were_given_and_to_no_others() -> None:
    with ExitStack() as opened:
        held = [opened.enter_context(each) for each in listen(free_port(), "0.0.0.0")]  # noqa: S104 - for a moment
        assert [each.getsockname()[0] for each in held] in (["0.0.0.0", "::1"], ["0.0.0.0"])  # noqa: S104
    assert (own_names("0.0.0.0"), own_names("10.0.0.5"), own_names("fd00::5")) == ((), ("10.0.0.5",), ("[fd00::5]",))  # noqa: S104
    gate = Gate(_nothing, 4200, ("Farm.Example",))
    assert [answer_of(gate, host) for host in ("farm.example:4200", "127.0.0.1:4200", "evil:4200")] == [0, 0, 421]


def answer_of(gate: Gate, host: str) -> int:
    """The status of a refusal; 0 if the request is let through."""
    said: list[int] = []

    async def send(message: Any) -> None:
        said.append(message.get("status", 0))

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", host.encode())]}
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(gate(scope, _nothing, send))).result()
    return max(said, default=0)


async def _nothing(*_: Any) -> Any:
    return {}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--name", "a/b", "invalid name 'a/b'"), ("--known-as", "a;b", "invalid host 'a;b'; allowed: farm.example.net")],
)
def test_names_that_would_break_something_later_are_refused(tmp_path: Path, option: str, value: str, said: str) -> None:
    done = farm_up(tmp_path / "farm", option, value)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_worker_alone_needs_the_servers_password(tmp_path: Path) -> None:
    done = farm_up(tmp_path / "farm", "--only", "worker")
    assert done.returncode == 2
    assert "profiles.toml: has no password of the farm's server; copy this file from the farm's machine" in done.stderr
