"""Where weights are looked for, and what is said where they are not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backends.wan.conftest import CPU, Tiny, nobody, plates_of
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.location import resolved
from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.backends.wan.models.estimate import estimated_seconds
from wan_render.errors import WeightsError
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, NamedParts
from wan_render.take import Plate, Sampling, ShotKind, Size, Take

pytestmark = pytest.mark.wan

CARD = official.T2V_1_3B.card()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with an empty hub cache and no folder of weights."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("WAN_RENDER_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def facts_of(model: Tiny, card: ModelCard) -> str:
    """What a renderer of the published name says that its weights are; it renders, too."""
    renderer = BACKEND.open(card, CPU, nobody)
    take = replace(model.take(ShotKind.T2V), model=card.identity)
    assert renderer.render(take, plates_of(take), nobody).pixels.any()
    return renderer.facts()["weights"]


def test_the_command_that_brings_missing_weights_is_named() -> None:
    problem = BACKEND.missing(CARD)

    assert problem is not None
    assert problem.remedy == "run: wan-render models pull wan2.1-t2v-1.3b"
    with pytest.raises(WeightsError, match=r"wan-render models pull wan2.1-t2v-1.3b"):
        BACKEND.open(CARD, CPU, nobody)


def test_weights_are_taken_from_hugging_faces_cache(tiny: Callable[[str], Tiny], nowhere: Path) -> None:
    repository = nowhere / "hub" / "models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.copytree(tiny("t2v-2.1").folder, repository / "snapshots" / COMMIT)

    assert BACKEND.missing(CARD) is None
    assert facts_of(tiny("t2v-2.1"), CARD) == COMMIT


def test_weights_are_taken_from_the_folder_of_weights(
    tiny: Callable[[str], Tiny], nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(nowhere / "weights"))
    assert BACKEND.missing(CARD) is not None
    folder = nowhere / "weights" / "Wan2.1-T2V-1.3B-Diffusers"
    shutil.copytree(tiny("t2v-2.1").folder, folder)
    note = folder / ".cache/huggingface/download/model_index.json.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{COMMIT}\netag\n0.0\n")
    assert BACKEND.missing(CARD) is None
    assert facts_of(tiny("t2v-2.1"), CARD) == COMMIT


def test_an_interrupted_download_is_missing_weights(tiny: Callable[[str], Tiny], nowhere: Path) -> None:
    repository = nowhere / "hub" / "models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.copytree(tiny("t2v-2.1").folder, repository / "snapshots" / COMMIT)
    file = repository / "snapshots" / COMMIT / "transformer" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])

    problem = BACKEND.missing(CARD)
    assert problem is not None
    assert "bytes" in problem.found
    assert "models pull" in problem.remedy


def test_weights_are_in_the_users_data_folder_by_default(tiny: Callable[[str], Tiny], nowhere: Path) -> None:
    shutil.copytree(tiny("t2v-2.1").folder, nowhere / "data" / "wan-render" / "weights" / "Wan2.1-T2V-1.3B-Diffusers")
    assert BACKEND.missing(CARD) is None


def take_of(model: str, size: Size, frames: int, steps: int = 50) -> Take:
    plate = Plate("0" * 64, size)
    sampling = Sampling(steps, (5.0,), 5.0)
    return Take("wan/1", model, plate, plate, "", "", frames, size, CARD.rate, 1, sampling)


def test_the_estimate_agrees_with_what_was_measured_on_an_h200() -> None:
    """docs/benchmarks.md: a step with guidance of FLF2V-14B takes 4.82 s at 832x480 and 19.2 at 1280x720."""
    model = official.FLF2V_14B.identity
    assert estimated_seconds(take_of(model, Size(832, 480), 81), "cuda") == pytest.approx(50 * 4.82 + 2.9, rel=0.02)
    assert estimated_seconds(take_of(model, Size(1280, 720), 81), "cuda") == pytest.approx(50 * 19.2, rel=0.05)


def test_the_estimate_of_a_draft_agrees_with_the_farms_clips_on_an_h200() -> None:
    """8.48 s passed between two of them."""
    take = take_of(official.FLF2V_14B.identity, Size(832, 480), 81)
    draft = replace(take, sampling=Sampling(4, (1.0,), 5.0, "draft"))
    assert estimated_seconds(draft, "cuda") == pytest.approx(8.48, rel=0.03)


def test_the_estimate_knows_that_small_models_are_faster_and_cpus_slower() -> None:
    size = Size(832, 480)
    big, small = (
        estimated_seconds(take_of(of.identity, size, 81), "cuda") for of in (official.T2V_14B, official.T2V_1_3B)
    )

    assert small < big / 4
    assert estimated_seconds(take_of("sha256:0", size, 81), "cpu") > 20 * big


def linked_snapshot(folder: Path, repository: Path) -> Path:
    """A folder as Hugging Face's client keeps it: links into a folder of blobs that are named by their content."""
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(file for file in folder.rglob("*") if file.is_file())):
        blob = repository / "blobs" / f"{number:040x}"
        shutil.copy(file, blob)
        link = repository / "snapshots" / COMMIT / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return repository / "snapshots" / COMMIT


def test_links_of_hugging_faces_cache_are_followed(tiny: Callable[[str], Tiny], nowhere: Path) -> None:
    """By the model's name, by the snapshot's folder, and by the repository's. Their digest is that of a plain copy."""
    repository = nowhere / "hub" / "models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers"
    snapshot = linked_snapshot(tiny("t2v-2.1").folder, repository)
    (repository / "snapshots" / "older").mkdir()
    assert BACKEND.missing(CARD) is None
    assert facts_of(tiny("t2v-2.1"), CARD) == COMMIT
    known = catalogue(FactCache(nowhere / "facts"))
    cards = [known.made_of(NamedParts((folder,)), "mine") for folder in (snapshot, repository)]
    assert {card.identity for card in cards} == {tiny("t2v-2.1").card.identity}


@pytest.mark.parametrize("above", ["hub/models", "hub", "models"])
@pytest.mark.parametrize("name", ["Wan2.1-T2V-1.3B-Diffusers", "Wan2___1-T2V-1___3B-Diffusers"])
def test_weights_are_taken_from_modelscopes_cache(
    above: str, name: str, tiny: Callable[[str], Tiny], nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(nowhere / "modelscope"))
    folder = nowhere / "modelscope" / above / "Wan-AI" / name
    shutil.copytree(tiny("t2v-2.1").folder, folder)
    (folder / ".msc").write_bytes(b"its own notes")
    assert BACKEND.missing(CARD) is None
    assert resolved(CARD, folder) == f"unknown, from {name}"
