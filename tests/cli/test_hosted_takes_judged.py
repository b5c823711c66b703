"""Quality control of takes that a service rendered: they are judged like any take, and retakes cost money within the
film's limit."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fake_model_studio import FakeService, serving, variables
from tests.session.faulty_films import FaultyFilm


def test_a_retake_of_a_hosted_take_is_bought_while_the_budget_lasts(
    tmp_path: Path, wan_render: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each video costs 1.2 CNY; the second shot has two. Those of the first never end on its keyframe, so it wants two
    retakes; there is money for one."""
    FaultyFilm.made(tmp_path)
    film = tmp_path / "harbour.yaml"
    cloud = 'cloud: {allow: true}, qc: {retakes: 2}, render: {flf2v: {model: "dashscope:wan2.7-i2v"}}'
    film.write_text(
        "version: 1\nfilm: {title: Harbour, raster: 64x48, deliver: 64x48, budget: 5 CNY}\n"
        f"defaults: {{duration: 2s, {cloud}}}\nkeyframes: keys/\n"
        "shots:\n  - {from: a, to: b, action: the light climbs}\n"
        "  - {from: b, through: [a], to: c, duration: 4s, action: boats}\n"
    )

    def faults(request: str, task: str) -> str:
        is_first = request == "video" and "light" in service.tasks[task].body["input"]["prompt"]
        return "wrong end" if is_first else ""

    with serving(FakeService(faults)) as service:
        for name, value in variables(service, WAN_RENDER_DEVICES="cpu").items():
            monkeypatch.setenv(name, value)
        done = wan_render("render", film)
        planned, night = wan_render("plan", film), wan_render("night", film)

    assert done.returncode == 0, done.stderr
    assert (service.total, len(service.tasks)) == (4.8, 4)
    assert "1/010 take 1 failed its checks: flat, drift, last " in done.stderr
    assert "1/010 take 3: may cost 1.2 CNY, and 4.8 CNY of 5 CNY are spent or set aside" in done.stderr
    assert "1/010: the film shows take 1, which failed its checks" in done.stderr
    version = Path(done.stdout.splitlines()[-1]).parent
    rows = list(csv.DictReader((version / "shots.csv").open(encoding="utf-8-sig")))
    assert [(row["shot"], row["take"], row["verdict"], row["failed"], row["cost"]) for row in rows] == [
        ("010", "1", "fail", "last, flat, drift", "1.2"),
        ("010", "2", "fail", "last, flat, drift", "1.2"),
        ("010", "3", "", "", ""),
        ("020", "1", "pass", "", "2.4"),
    ]
    assert {row["settings.steps"] for row in rows if "settings.steps" in row} <= {""}, "a service has none"
    measured = [json.loads(file.read_text())["measurements"]["values"] for file in tmp_path.rglob("take.json")]
    assert sum(values.get("last_likeness", 1) < 0 for values in measured) == 2
    assert "; 0.2 CNY left of 5 CNY (film.budget)" in planned.stdout
    short = "film.budget: 1 take to order, at most 1.2 CNY (720P, prices of "
    assert [short in output for output in (planned.stdout, night.stderr)] == [True, True], (planned, night)
