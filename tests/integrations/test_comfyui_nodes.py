"""The nodes of integrations/comfyui, loaded and called as ComfyUI does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wan_render.cli import main
from wan_render.errors import UsageError
from wan_render.media.clip import read_frames
from wan_render.plan import Rendered
from wan_render.session.film_session import Session

FOLDER = Path(__file__).parents[2] / "integrations" / "comfyui"
pytestmark = pytest.mark.wan  # torch


@pytest.fixture(scope="module")
def package() -> ModuleType:
    """The package as ComfyUI imports it: by its path, under a name of its own."""
    spec = importlib.util.spec_from_file_location(
        "comfyui_nodes_under_test", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def storyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "keyframes").mkdir()
    for name, colour in (("dawn", 40), ("noon", 200)):
        Image.fromarray(np.full((96, 160, 3), colour, np.uint8)).save(tmp_path / "keyframes" / f"{name}.png")
    file = tmp_path / "film.yaml"
    file.write_text(
        "film: {raster: 160x96, deliver: 160x96}\nkeyframes: keyframes/\n"
        "shots:\n- {from: dawn, to: noon, action: light climbs, duration: 1s, render: {seed: 3}}\n- {card: End}\n"
    )
    monkeypatch.setenv("WAN_RENDER_BACKEND", "animatic")
    monkeypatch.setenv("WAN_RENDER_OUTPUTS", str(tmp_path / "outputs"))
    return file


def call(package: ModuleType, node_name: str, /, **inputs: Any) -> Any:
    """What a node gives, by ComfyUI's rules: every required input is given, and FUNCTION is called on an instance."""
    node = package.NODE_CLASS_MAPPINGS[node_name]
    assert set(node.INPUT_TYPES()["required"]) == set(inputs)
    result = getattr(node(), node.FUNCTION)(**inputs)
    values = result["result"] if isinstance(result, dict) else result
    assert len(values) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    return dict(zip(node.RETURN_NAMES, values, strict=True))


def saved_by_comfyui(image: Any) -> Any:
    """The bytes that ComfyUI's SaveImage writes: it cuts off what is behind the point."""
    return np.clip(255.0 * image.cpu().numpy(), 0, 255).astype(np.uint8)


def test_every_node_has_what_comfyui_asks_for(package: ModuleType) -> None:
    assert set(package.NODE_CLASS_MAPPINGS) == set(package.NODE_DISPLAY_NAME_MAPPINGS)
    names = [*package.NODE_DISPLAY_NAME_MAPPINGS.values()]
    assert names == ["Storyboard shot", "Load take", "Save keyframe"]
    assert all(node.CATEGORY for node in package.NODE_CLASS_MAPPINGS.values())


def test_a_shot_is_what_wan_render_would_render(package: ModuleType, storyboard: Path) -> None:
    found = call(package, "WanRenderStoryboardShot", storyboard=str(storyboard), shot="1/010", take=0)
    (shot, _) = Session.of(storyboard).plan.shots
    assert isinstance(shot.content, Rendered)
    take = shot.content.takes[0].take
    assert (found["prompt"], found["seed"], found["frames"]) == (take.prompt, 3, 17)
    assert (found["width"], found["height"], found["rate"]) == (160, 96, 16.0)
    assert found["first"].shape == (1, 96, 160, 3)
    assert {*np.unique(saved_by_comfyui(found["last"]))} == {200}
    with pytest.raises(UsageError, match="no model renders shot"):
        call(package, "WanRenderStoryboardShot", storyboard=str(storyboard), shot="1/020", take=0)


def test_a_node_runs_again_when_its_take_changes(package: ModuleType, storyboard: Path) -> None:
    node = package.NODE_CLASS_MAPPINGS["WanRenderLoadTake"]
    before = node.IS_CHANGED(str(storyboard), "1/010", 0)
    assert before == node.IS_CHANGED(str(storyboard), "1/010", 0)
    storyboard.write_text(storyboard.read_text().replace("light climbs", "light falls"))
    assert before != node.IS_CHANGED(str(storyboard), "1/010", 0)


def test_a_finished_take_is_loaded_without_loss(package: ModuleType, storyboard: Path) -> None:
    with pytest.raises(UsageError, match="is not rendered yet"):
        call(package, "WanRenderLoadTake", storyboard=str(storyboard), shot="1/010", take=1)
    assert main(["render", "--no-film", str(storyboard)]) == 0
    found = call(package, "WanRenderLoadTake", storyboard=str(storyboard), shot="1/010", take=1)
    (folder,) = (storyboard.parent / "outputs/takes").glob("[0-9a-f]*")
    frames = np.stack(list(read_frames(folder / "clip.mkv", 0, 17)))
    assert (found["rate"], found["frames"]) == (16.0, 17)
    assert np.array_equal(saved_by_comfyui(found["images"]), frames)


def test_a_keyframe_is_saved_beside_the_storyboard(package: ModuleType, storyboard: Path) -> None:
    import torch

    picture = torch.arange(96 * 160 * 3, dtype=torch.float32).reshape(1, 96, 160, 3) % 256 / 255
    inputs = {"images": picture, "storyboard": str(storyboard), "name": "dusk"}
    found = call(package, "WanRenderSaveKeyframe", **inputs, replace=False)
    with Image.open(found["path"]) as saved:
        assert np.array_equal(np.asarray(saved), np.rint(picture[0].numpy() * 255))
    for refused in ("dusk", "dawn"):
        with pytest.raises(FileExistsError):
            call(package, "WanRenderSaveKeyframe", **{**inputs, "name": refused}, replace=False)
    call(package, "WanRenderSaveKeyframe", **{**inputs, "name": "dawn"}, replace=True)
    for name in ("../x", "", "a/b", ".hidden", "a.png"):
        with pytest.raises(ValueError, match="not a keyframe's name"):
            call(package, "WanRenderSaveKeyframe", **{**inputs, "name": name}, replace=True)
    assert sorted(file.name for file in (storyboard.parent / "keyframes").iterdir()) == [
        "dawn.png",
        "dusk.png",
        "noon.png",
    ]
