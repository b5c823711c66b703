"""What `plan` says in the evening of the coming night, with takes that took an hour each."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import wan_render
from tests.estimates.test_learning import line
from tests.night.films import DAY, EVENING, make_folder, request, write_film
from wan_render.devices import local_devices
from wan_render.night.evening import Evening, Prospect, evening
from wan_render.night.night_hours import hours_of
from wan_render.night.night_request import check_films
from wan_render.settings import machine_settings
from wan_render.store import Store, TakeSeconds
from wan_render.store.take_times import TIMES
from wan_render.take import Take

__all__ = ["wan_render"]

Run = Callable[..., subprocess.CompletedProcess[str]]

THREE = "".join(f"  - {{from: dawn, to: noon, action: the light climbs {place}}}\n" for place in ("a", "b", "c"))
"""Three shots of a film."""

OTHERS = THREE.replace("climbs", "falls")
"""Three other ones."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for storyboards, with pictures."""
    return make_folder(tmp_path / "films")


@pytest.fixture
def hourly(folder: Path) -> Path:
    """A store whose takes took an hour each on this machine's CPU. Returns the folder of storyboards."""
    film = write_film(folder, "Measured", DAY)
    (candidate,) = check_films(request(film, outputs=film.parents[1] / "outputs"))
    (take,) = candidate.session.plan.takes
    remember(folder.parent / "outputs", take, [3600.0 + at for at in range(20)])
    film.unlink()
    return folder


def remember(outputs: Path, take: Take, seconds: list[float]) -> None:
    """Such a take took so long, several times."""
    (device,) = local_devices(machine_settings(), ("cpu",))
    lines = [line(take, {"loading": 60.0, "step": each}, at) for at, each in enumerate(seconds)]
    outputs.mkdir(exist_ok=True)
    Store(outputs).prepare()
    text = "".join(f"{as_json(each, device.label)}\n" for each in lines)
    (outputs / TIMES).write_text(text)


def as_json(times: TakeSeconds, label: str) -> str:
    """A line of take-times.jsonl, of a take on this device."""
    return json.dumps(asdict(times) | {"label": label}, default=str)


def planned(folder: Path, start: str, until: str) -> Evening:
    hours = hours_of(start, until, "Europe/Berlin", datetime(2026, 11, 27, 18, tzinfo=UTC))
    return evening(check_films(request(folder, outputs=folder.parent / "outputs")), hours)


def states(night: Evening) -> dict[str, Prospect]:
    return {each.film.candidate.name: each.prospect for each in night.films}


def shots(night: Evening) -> list[str]:
    return [f"{order.film} {order.shot} {order.number}" for order in night.left_out]


def test_with_enough_time_every_film_is_done_one_after_the_other(hourly: Path) -> None:
    write_film(hourly, "First", THREE, priority=2)
    write_film(hourly, "Second", OTHERS)

    night = planned(hourly, "22:00", "07:00")

    assert states(night) == {"first": Prospect.DONE, "second": Prospect.DONE}
    first, second = night.films
    assert first.done == pytest.approx(3 * 3600 + 100, abs=60), "the model is loaded once"
    assert second.done == pytest.approx(6 * 3600 + 100, abs=60)
    assert first.earliest
    assert first.done
    assert first.latest
    assert first.earliest < first.done < first.latest < 4 * 3600
    assert night.left_out == ()


def test_what_does_not_fit_is_named_and_the_least_important_is_left_out(hourly: Path) -> None:
    write_film(hourly, "First", THREE, priority=1)
    write_film(hourly, "Second", OTHERS)

    night = planned(hourly, "22:00", "03:45")
    assert states(night) == {"first": Prospect.DONE, "second": Prospect.INCOMPLETE}
    assert [order.shot for order in night.films[1].missing] == ["1/030"]
    assert shots(night) == ["second 1/030 1"]
    assert night.seconds(night.left_out) == pytest.approx(3610, abs=30)

    short = planned(hourly, "22:00", "01:30")
    assert states(short) == {"first": Prospect.DONE, "second": Prospect.NOT_STARTED}
    assert shots(short) == ["second 1/010 1", "second 1/020 1", "second 1/030 1"]


def test_further_takes_are_left_out_before_a_film_is(hourly: Path) -> None:
    write_film(hourly, "First", THREE.replace("climbs a", "climbs a, takes: 2"))
    write_film(hourly, "Second", OTHERS)

    assert shots(planned(hourly, "22:00", "05:00")) == ["first 1/010 2"]


def test_what_others_need_is_as_important_as_they_are(hourly: Path) -> None:
    chain = "  - {from: dawn, to: noon, action: one}\n  - {from: previous, to: dusk, action: two}\n"
    write_film(hourly, "Chain", chain, priority=1)
    write_film(hourly, "Other", DAY.replace("climbs", "rises"))

    assert shots(planned(hourly, "22:00", "00:30")) == ["other 1/010 1"]
    assert shots(planned(hourly, "22:00", "23:30")) == ["chain 1/020 1", "other 1/010 1"]


def test_a_film_that_may_not_fit_says_what_is_at_risk(hourly: Path) -> None:
    film = write_film(hourly, "First", THREE)
    (candidate,) = check_films(request(film, outputs=film.parents[1] / "outputs"))
    unsteady = [3600 * factor for factor in (0.5, 1.9, 0.6, 1.0, 1.7, 0.7, 1.0, 1.4, 0.8, 1.2)]
    remember(hourly.parent / "outputs", candidate.session.plan.takes[0], unsteady)

    night = planned(hourly, "22:00", "02:15")
    assert states(night) == {"first": Prospect.LIKELY}
    assert [order.shot for order in night.films[0].at_risk] == ["1/030"]
    assert night.left_out == ()


def test_the_command_answers_for_a_folder(hourly: Path, wan_render: Run) -> None:
    write_film(hourly, "First", THREE, priority=1)
    write_film(hourly, "Second", OTHERS)
    write_film(hourly, "Broken", "  - {from: dawn, too: noon, action: the light climbs}\n")
    start = datetime.now(UTC) + timedelta(hours=2)
    until = start + timedelta(hours=5, minutes=45)
    window = ("--start", f"{start:%H:%M}", "--until", f"{until:%H:%M}", "--timezone", "UTC")

    done = wan_render("plan", hourly, "--outputs", "outputs", "--backend", "animatic", *window)

    assert done.returncode == 1, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first == f"night from {start:%a %H:%M} to {until:%a %H:%M} UTC (5 h 45 min) on 1 device"
    assert re.search(r"^  first +done about \d\d:\d\d \(.*\) +3 takes, 3 h 0\d min$", done.stdout, re.M)
    assert re.search(r"^  second +incomplete +3 takes, 3 h 0\d min +no time for 1/030, 60 min$", done.stdout, re.M)
    assert "broken.yaml:6:" in done.stdout
    assert "To make the rest fit, leave out 60 min of rendering:\n  second: 1/030, 60 min\n" in done.stdout
    assert last.startswith("  wan-render night ")
    assert not (hourly.parent / "outputs" / "nights").exists()

    plan = json.loads(
        wan_render("plan", hourly, "--outputs", "outputs", "--backend", "animatic", "--json", *window).stdout
    )
    assert (plan["version"], plan["fits"], plan["zone"]) == (1, False, "UTC")
    found = [(Path(film["storyboard"]).stem, film["state"], len(film["mistakes"])) for film in plan["films"]]
    assert found == [("first", "done", 0), ("broken", "broken", 1), ("second", "incomplete", 0)]
    assert plan["films"][0]["done_low"] < plan["films"][0]["done"] < plan["films"][0]["done_high"]
    (out,) = plan["leave_out"]
    assert (out["slug"], out["takes"], out["is_whole_film"]) == ("second", [{"shot": "1/030", "number": 1}], False)


def test_bad_windows_and_options_of_one_film_are_refused(folder: Path, wan_render: Run) -> None:
    film = write_film(folder, "Good", DAY + EVENING)
    for options, words in (
        (("--until", "7 Uhr"), "--until: invalid time '7 Uhr'"),
        (("--until", "07:00", "--timezone", "Mars"), "--timezone: unknown time zone 'Mars'"),
        (("--until", "07:00", "--prompts"), "--prompts: is not for the plan of a night"),
    ):
        done = wan_render("plan", film, "--backend", "animatic", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(words)
    nothing = wan_render("plan", folder / "keyframes")
    assert nothing.returncode == 2
    assert "no storyboards are there" in nothing.stderr
