"""A fake ComfyUI, a workflow on disk, and takes to render with them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.comfyui.fake_nodes import flf_workflow
from tests.backends.comfyui.fake_server import FakeComfyUI
from wan_render.backends.comfyui import BACKEND, patient_server
from wan_render.backends.comfyui.workflow_card import workflow_reading
from wan_render.model_card import ModelCard, WorkflowReading
from wan_render.render_values import Pixels, TakeInputs
from wan_render.settings import machine_settings
from wan_render.take import Plate, ShotKind, Size, Take
from wan_render.workflows.workflow import NamedWorkflow

SIZE = Size(64, 48)
WRITTEN = {
    "first": "52.image",
    "last": "72.image",
    "prompt": "6.text",
    "negative": "7.text",
    "seed": "3.seed",
    "frames": "50.length",
}

Read = Callable[..., WorkflowReading]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeComfyUI]:
    with FakeComfyUI(tmp_path / "comfyui").running() as running:
        monkeypatch.setenv("WAN_RENDER_COMFYUI", running.url)
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away comes back soon, or never."""
    monkeypatch.setattr(patient_server, "RESTART_SECONDS", 8.0)
    monkeypatch.setattr(patient_server, "POLL_SECONDS", 0.05)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The workflow of a graph and a map: `read(graph, first="52.image")`; an empty text leaves a key out."""

    def reading(graph: dict[str, Any] | None = None, like: ModelCard | None = None, **written: str) -> WorkflowReading:
        file = tmp_path / "workflow_api.json"
        file.write_text(json.dumps(flf_workflow() if graph is None else graph))
        images = written.pop("images", "")
        inputs = tuple((role, tuple(text.split())) for role, text in (WRITTEN | written).items() if text)
        named = NamedWorkflow(file, "workflow_api.json", inputs, images)
        return workflow_reading(named, like, BACKEND.id, machine_settings())

    return reading


def take_of(card: ModelCard, *, seed: int = 7, frames: int = 5, prompt: str = "a river") -> Take:
    defaults = card.kinds[ShotKind.FLF2V]
    first, last = Plate("f" * 64, SIZE), Plate("1" * 64, SIZE)
    return Take(BACKEND.id, card.identity, first, last, prompt, "", frames, SIZE, card.rate, seed, defaults.sampling)


def keyframes() -> TakeInputs:
    """Two pictures that no compression would keep."""
    dice = np.random.default_rng(3)
    first, last = (dice.integers(0, 256, (SIZE.height, SIZE.width, 3)).astype(np.uint8) for _ in range(2))
    return TakeInputs(first, last)


def differs(one: Pixels, other: Pixels) -> int:
    """The largest difference of a channel."""
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
