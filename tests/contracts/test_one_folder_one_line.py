"""A second backend family through the real command line: one folder and one line more, as CONTRIBUTING says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.examples.backend.models import FILE, SIDE
from tests.cli.conftest import environment, write_harbour
from wan_render.store import Store

ROOT = Path(__file__).parents[2]
LAST_LINE = '    "wan": "wan_render.backends.wan",\n'
ONE_LINE = '    "grain": "wan_render.backends.grain",\n'

Run = Callable[..., str]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """wan-render with the sample backend in it."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "wan_render", folder / "wan_render")
    shutil.copytree(ROOT / "docs" / "examples" / "backend", folder / "wan_render" / "backends" / "grain")
    registry = folder / "wan_render" / "backends" / "__init__.py"
    text = registry.read_text(encoding="utf-8")
    assert text.count(LAST_LINE) == 1
    registry.write_text(text.replace(LAST_LINE, LAST_LINE + ONE_LINE), encoding="utf-8")
    return folder


@pytest.fixture
def run(checkout: Path, tmp_path: Path) -> Run:
    """Run a command that renders with `grain`; gives what it printed."""

    def run(*arguments: str | Path, code: int = 0) -> str:
        variables = {**environment(tmp_path), "PYTHONPATH": str(checkout), "WAN_RENDER_BACKEND": "grain"}
        done = subprocess.run(
            [sys.executable, "-m", "wan_render.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**variables, "WAN_RENDER_DEVICES": "cpu", "HF_HOME": str(tmp_path / "hf")},
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stderr + done.stdout

    return run


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    return write_harbour(tmp_path)


def test_its_models_are_listed_and_pulled(run: Run) -> None:
    listed = {model["name"]: model for model in json.loads(run("models", "--json"))["models"]}
    assert {"wan2.1-flf2v-14b", "grain-fine", "grain-coarse"} < set(listed)
    assert (listed["grain-fine"]["state"], listed["grain-fine"]["bytes"]) == ("missing", SIDE**2)

    pulled = run("models", "pull", "grain-fine")
    assert "grain-fine: pulled: commit" in pulled
    assert "licence: CC0-1.0" in pulled
    assert "already here, all files verified" in run("models", "pull", "grain-fine")
    listed = {model["name"]: model for model in json.loads(run("models", "--json"))["models"]}
    assert [listed[name]["state"] for name in ("grain-fine", "grain-coarse")] == ["here", "missing"]
    (Path(listed["grain-fine"]["folder"]) / FILE).write_bytes(b"")
    assert "damaged: grain-fine: has no grain.raw" in run("models")


def test_doctor_has_its_findings_profiles_and_weights(run: Run) -> None:
    findings = {each["what"]: each for each in json.loads(run("doctor", "--json"))["findings"]}
    assert findings["grain"]["found"] == "needs nothing but NumPy"
    profiles = findings["profiles of grain"]
    assert profiles["found"].startswith("exact; not fast, balanced, draft: cpu: grain computes takes in one way")
    assert profiles["remedy"] == "write profile: exact"
    assert findings["grain-fine"]["remedy"] == "run: wan-render models pull grain-fine"
    assert findings["profiles"]["found"] == "exact, draft (exact)", "those of wan"


def test_a_film_is_planned_and_rendered(run: Run, harbour: Path, tmp_path: Path) -> None:
    planned = run("plan", harbour)
    assert "grain/1" in planned
    assert "warning: grain-fine: its weights are not on this machine; run: wan-render models pull" in planned
    run("models", "pull", "grain-fine")
    assert "its weights are not on this machine" not in run("plan", harbour)

    film = Path(run("render", harbour).splitlines()[-1])
    assert film.name.endswith(".mp4")
    assert film.stat().st_size > 0
    assert "to render: nothing" in run("plan", harbour)
    store = Store(tmp_path / "outputs")
    assert [store.record(key).take["backend"] for key in store.takes.keys("")] == ["grain/1"] * 2

    weights = tmp_path / "data" / "wan-render" / "weights" / "grain-fine" / FILE
    weights.write_bytes(bytes(SIDE**2))
    assert "warning: grain-fine: takes of this film were rendered with weights" in run("plan", harbour)


def test_a_storyboard_names_its_models_and_no_others(run: Run, harbour: Path) -> None:
    text = harbour.read_text()
    harbour.write_text(text.replace("seed: 5", "seed: 5, flf2v: {model: grain-coarse}"))
    assert "warning: grain-coarse: its weights are not on this machine" in run("plan", harbour)
    harbour.write_text(text.replace("seed: 5", "seed: 5, flf2v: {model: grain-corse}"))
    assert "did you mean 'grain-coarse'?" in run("plan", harbour, code=2)
    harbour.write_text(text.replace("seed: 5", "seed: 5, flf2v: {model: wan2.1-flf2v-14b}"))
    assert "wan2.1-flf2v-14b" in run("plan", harbour, code=2)


def test_a_profile_that_no_device_can_render_is_said_before_anything_starts(run: Run, harbour: Path) -> None:
    run("models", "pull", "grain-fine")
    harbour.write_text(harbour.read_text().replace("seed: 5", "seed: 5, profile: fast"))
    words = "profile 'fast': grain computes takes in one way"
    assert f"warning: {words}" in run("plan", harbour)
    assert words in run("render", harbour, code=3)
