"""A film of the farm that is rendered in three places: on this machine, at a service for money, by ComfyUI. Its prompts
come from a language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.backends.comfyui.conftest import WRITTEN
from tests.backends.comfyui.fake_nodes import flf_workflow
from tests.fake_model_studio import KEY
from tests.flows.conftest import LLM_KEY, PROMPT, Farm, Services, until
from tests.tiny_wan import KINDS, save_tiny
from wan_render.purchase import PurchaseState
from wan_render.store.purchase_ledger import PurchaseLedger

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

MAP = ", ".join(f"{role}: {place}" for role, place in WRITTEN.items())
STORYBOARD = f"""\
version: 1
film: {{title: Mixed, raster: 64x48, deliver: 64x48, rate: 16, budget: 30 CNY, subtitles: []}}
defaults: {{duration: 1s, cloud: {{allow: true}}, render: {{extend: true}}}}
keyframes: keyframes/
shots:
  - {{from: dawn, to: noon, action: the light climbs, render: {{flf2v: {{model: tiny, steps: 1}}}}}}
  - {{from: noon, to: dusk, action: boats, duration: 2s, render: {{flf2v: {{model: "dashscope:wan2.7-i2v"}}}}}}
  - {{from: dusk, to: dawn, action: the night, render: {{flf2v: {{model: {{comfyui: flow.json, {MAP}}}}}}}}}
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """The storyboard, its pictures, a workflow and a tiny model."""
    (tmp_path / "keyframes").mkdir()
    for name, colour in (("dawn", (200, 120, 60)), ("noon", (120, 160, 220)), ("dusk", (60, 40, 120))):
        picture = Image.new("RGB", (64, 48), colour)
        picture.paste((250, 250, 200), (8, 8, 30, 30))
        picture.save(tmp_path / "keyframes" / f"{name}.png")
    (tmp_path / "flow.json").write_text(json.dumps(flf_workflow()))
    save_tiny(KINDS["flf2v-2.1"], tmp_path / "tiny")
    file = tmp_path / "mixed.yaml"
    file.write_text(STORYBOARD)
    return file


def submitted(farm: Farm, film: Path, *options: str) -> str:
    """Queue it; the run's id."""
    before = farm.open_runs()
    done = farm.wan_render("submit", str(film), "--backend", "wan", *options)
    assert done.returncode == 0, done.stderr
    (run,) = farm.open_runs() - before
    return run


def test_a_film_that_is_cancelled_while_a_take_is_at_the_service(farm: Farm, services: Services, mixed: Path) -> None:
    studio = services.studio
    studio.needed_polls = 10**6  # its task goes on until it is looked at again
    first = submitted(farm, mixed, "--max-cost", "1.2 CNY")
    before = farm.takes()
    until(90, lambda: studio.tasks and farm.takes() == before + 2)  # the others are rendered meanwhile
    assert "3 takes to render on 4 devices: " in farm.logs(first), "the CPU, a ComfyUI server, two slots"
    assert farm.wan_render("queue", "cancel", "mixed").returncode == 0
    assert farm.ended(first)["name"] == "Cancelled"
    assert [(each.state, str(each.counted)) for each in PurchaseLedger(farm.outputs).read()] == [
        (PurchaseState.SUBMITTED, "1.2 CNY")
    ]

    studio.needed_polls = 0
    second = submitted(farm, mixed, "--max-cost", "1.2 CNY")
    assert farm.ended(second)["name"] == "Completed", farm.logs(second)

    assert farm.tasks(second) == {
        "1/010 take 1": ["Reused"],
        "1/020 take 1": ["Completed"],
        "1/030 take 1": ["Reused"],
        "film": ["Completed"],
    }
    assert (len(studio.tasks), studio.total, len(services.comfyui.executed)) == (1, 1.2, 1)
    (bought,) = PurchaseLedger(farm.outputs).read()
    assert (bought.state, str(bought.cost), bought.film) == (PurchaseState.BOUGHT, "1.2 CNY", "mixed")
    page = farm.outputs / "films" / "mixed" / "v001" / "index.html"
    assert "spent at services: 1.2 CNY for 1 take" in page.read_text()
    assert studio.tasks[bought.task].body["input"]["prompt"] == PROMPT
    assert len(services.language_model.asked) == 3, "each prompt once, by the first run"
    secrets = (KEY.encode(), b"Signature=", LLM_KEY.encode())
    files = [file for folder in (farm.home, mixed.parent) for file in folder.rglob("*") if file.is_file()]
    assert [file for file in files if any(secret in file.read_bytes() for secret in secrets)] == []
    password = farm.password.partition(":")[2].encode()
    assert {file.name for file in files if password in file.read_bytes()} == {"password", "profiles.toml"}
