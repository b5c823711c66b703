"""A film whose shots a ComfyUI renders: what `check` and `plan` say, and what `render` makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backends.comfyui.conftest import WRITTEN, until
from tests.backends.comfyui.fake_nodes import UNET, flf_workflow
from tests.backends.comfyui.fake_server import FakeComfyUI
from wan_render.cli import main
from wan_render.media.clip import read_frames

MAP = ", ".join(f"{role}: {place}" for role, place in WRITTEN.items())


@pytest.fixture
def storyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "keyframes").mkdir()
    for name, colour in (("dawn", 40), ("noon", 200)):
        pixels = np.full((96, 160, 3), colour, np.uint8)
        pixels[::2] += 20
        Image.fromarray(pixels).save(tmp_path / "keyframes" / f"{name}.png")
    (tmp_path / "flow.json").write_text(json.dumps(flf_workflow()))
    monkeypatch.setenv("WAN_RENDER_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("WAN_RENDER_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("WAN_RENDER_DEVICES", "cpu")
    file = tmp_path / "film.yaml"
    file.write_text(
        "film: {raster: 160x96, deliver: 160x96}\nlook: {avoid: text}\nkeyframes: keyframes/\n"
        f"defaults: {{duration: 1s, render: {{flf2v: {{model: {{comfyui: flow.json, {MAP}}}}}}}}}\n"
        "shots:\n- {from: dawn, to: noon, action: light climbs}\n- {from: noon, to: dawn, takes: 2}\n"
    )
    return file


def test_a_film_is_checked_planned_and_rendered(
    server: FakeComfyUI, storyboard: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(storyboard)]) == 0
    assert "was not compared" not in capsys.readouterr().out
    assert main(["plan", "--json", str(storyboard)]) == 0
    plan = json.loads(capsys.readouterr().out)
    takes = [take for shot in plan["shots"] for take in shot["takes"]]
    assert {take["backend"] for take in takes} == {"comfyui/1"}
    assert UNET in takes[0]["model"]
    assert takes[0]["negative"] == "blurred, ugly, text"

    assert main(["render", str(storyboard)]) == 0
    assert sorted(server.executed) == sorted(take["key"] for take in takes)
    record = json.loads((storyboard.parent / "outputs/takes" / takes[0]["key"] / "take.json").read_text())
    assert UNET in json.dumps(record)
    frames = list(read_frames(storyboard.parent / "outputs/takes" / takes[0]["key"] / "clip.mkv", 0, 17))
    with Image.open(storyboard.parent / "keyframes/dawn.png") as dawn:
        assert np.array_equal(frames[0], np.asarray(dawn))
    assert main(["render", str(storyboard)]) == 0
    assert len(server.executed) == 3


@pytest.mark.slow
def test_after_a_kill_the_job_is_found_and_not_rendered_twice(server: FakeComfyUI, storyboard: Path) -> None:
    server.held.clear()
    run = "import sys; from wan_render.cli import main; main(sys.argv[1:])"
    first = subprocess.Popen([sys.executable, "-c", run, "render", "--no-film", "--only", "1/010", str(storyboard)])
    until(lambda: len(server.sent) == 1)
    first.kill()  # its device process ends with it
    first.wait()
    server.held.set()
    assert main(["render", "--no-film", "--only", "1/010", str(storyboard)]) == 0
    assert len(server.sent) == len(server.executed) == 1


def test_what_the_workflow_cannot_do_is_a_mistake(
    server: FakeComfyUI, storyboard: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = storyboard.read_text()
    storyboard.write_text(text.replace("takes: 2", "render: {loras: [{path: flow.safetensors}]}"))
    (storyboard.parent / "flow.safetensors").write_bytes(b"")
    assert main(["check", str(storyboard)]) == 2
    said = capsys.readouterr()
    assert "flow.json cannot use `loras`; the workflow decides that itself" in said.out + said.err
    storyboard.write_text(text.replace("seed: 3.seed", "seed: 3.sed"))
    assert main(["check", str(storyboard)]) == 2
    said = capsys.readouterr()
    place = "defaults.render.flf2v.model.seed"
    assert f"{place}: node '3' (KSampler) has no input 'sed'" in said.out + said.err
    assert server.executed == []


def test_a_preview_needs_no_server(
    storyboard: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WAN_RENDER_COMFYUI", raising=False)
    assert main(["plan", "--json", "--backend", "animatic", str(storyboard)]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert {take["backend"] for shot in plan["shots"] for take in shot["takes"]} == {"animatic/1"}
    assert main(["render", str(storyboard)]) == 3
    assert "WAN_RENDER_COMFYUI names no server" in capsys.readouterr().err


def test_a_draft_shows_the_same_takes(storyboard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = []
    for options in ([], ["--draft"]):
        assert main(["plan", "--json", *options, str(storyboard)]) == 0
        plan = json.loads(capsys.readouterr().out)
        keys.append([take["key"] for shot in plan["shots"] for take in shot["takes"]])
    assert keys[0] == keys[1]


def test_a_failing_node_is_named_on_the_slate(
    server: FakeComfyUI, storyboard: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults.failing = {"KSampler": ("RuntimeError", "wrong shapes")}
    assert main(["render", "--no-film", "--only", "1/010", str(storyboard)]) == 1
    assert "node '3' (KSampler) failed: RuntimeError: wrong shapes" in capsys.readouterr().err


def test_two_servers_share_the_takes(
    server: FakeComfyUI, storyboard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.step_seconds = 0.05
    with FakeComfyUI(tmp_path / "other").running() as other:
        other.step_seconds = 0.05
        monkeypatch.setenv("WAN_RENDER_COMFYUI", f"{server.url}, {other.url}/")
        assert main(["render", "--no-film", str(storyboard)]) == 0
        assert len({*server.executed, *other.executed}) == len([*server.executed, *other.executed]) == 3
        assert server.executed
        assert other.executed
