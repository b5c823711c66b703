"""Shots for which there is no time until the morning go to a service, if the film allows it and its budget lasts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.night.films import make_folder, request, write_film
from wan_render.cli import main
from wan_render.night.night_hours import NightHours, hours_of
from wan_render.night.night_request import Candidate, check_films
from wan_render.night.spill_over import spill_words, with_spill_over
from wan_render.session.cloud_choice import takes_of

SHOTS = """\
  - {from: dawn, to: noon, action: the light climbs, duration: 3s}
  - {from: dawn, to: noon, action: the light falls, duration: 2s}
  - {from: dawn, to: noon, action: the light stays, duration: 2s, cloud: {allow: false}}
"""


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film of three shots on a machine with a key, whose CPU takes hours for each."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-1")
    monkeypatch.setenv("WAN_RENDER_DEVICES", "cpu")
    monkeypatch.delenv("WAN_RENDER_BACKEND", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = write_film(make_folder(tmp_path / "films"), "Spilt", SHOTS, budget="2 CNY")
    text = file.read_text().replace("raster: 64x64, deliver: 64x64", "raster: 832x480")
    file.write_text(text.replace("duration: 1s, render: {seed: 5}", "cloud: {allow: true, model: wan2.7-i2v}"))
    return file


def candidate(film: Path) -> Candidate:
    (found,) = check_films(replace(request(film, outputs=film.parents[1] / "outputs"), backend=None))
    assert found.mistake is None, found.mistake
    return found


def night(until: str) -> NightHours:
    return hours_of("22:00", until, "UTC", datetime(2026, 11, 28, 21, tzinfo=UTC))


def hosted(found: Candidate) -> list[bool]:
    plan = found.session.plan_to_render
    return [plan.models[takes_of(plan, shot.id)[0].model].hosted is not None for shot in plan.shots]


def test_the_cheapest_shots_that_have_no_time_go_to_the_service(film: Path) -> None:
    (found,) = with_spill_over([candidate(film)], night("22:30"))

    assert hosted(found) == [False, True, False], "two would cost 3 CNY, and one may not"
    (words,) = spill_words([found])
    assert words.endswith("no time here before the morning: a service renders 1/020")


def test_the_plan_of_a_night_shows_what_goes_to_the_service(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", str(film.parent), "--outputs", str(film.parents[1] / "outputs"), "--timezone", "UTC"]
    command += ["--start", "22:00", "--until", "22:30"]

    assert main(command) == 0
    said = capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    (planned,) = json.loads(capsys.readouterr().out)["films"]

    assert "    cloud: 1 take, at most 1.2 CNY (720P, prices of 2026-08); 2 CNY left of 2 CNY (film.budget)\n" in said
    assert [line.split("→")[1].strip() for line in said.splitlines() if "→" in line] == [
        "here (the limit does not allow it)",
        "in the cloud",
    ]
    assert (planned["takes"], planned["cloud"]["takes"], planned["cloud"]["at_most"]["amount"]) == (3, 1, "1.2")
    assert main(command[:-4]) == 0
    assert capsys.readouterr().out.count("→ here (there is time for it)") == 2


def test_without_an_end_of_the_night_everything_is_rendered_here(film: Path) -> None:
    (found,) = with_spill_over([candidate(film)], night(""))

    assert hosted(found) == [False, False, False]
    assert list(spill_words([found])) == []
