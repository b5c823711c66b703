"""A workflow as a model: what its file and its map say, what identifies it, and what a server makes of it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.backends.comfyui.conftest import Read
from tests.backends.comfyui.fake_nodes import CLIP, UNET, VAE, flf_workflow
from tests.backends.comfyui.fake_server import FakeComfyUI
from wan_render.backends.comfyui.workflow_card import workflow_reading
from wan_render.errors import InputError
from wan_render.settings import machine_settings
from wan_render.take import ShotKind
from wan_render.workflows.workflow import NamedWorkflow, NodeInput

Change = Callable[[dict[str, dict[str, Any]]], object]


def problems(read: Read, graph: dict[str, Any] | None = None, **written: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(graph, **written)
    return [str(problem) for problem in caught.value.problems]


def changed(change: Change) -> dict[str, dict[str, Any]]:
    graph = flf_workflow()
    change(graph)
    return graph


def test_its_kind_numbers_and_texts_are_those_of_the_workflow(read: Read) -> None:
    card = read().card
    (kind,) = card.kinds
    defaults = card.kinds[kind]
    assert (kind, card.rate, card.backend) == (ShotKind.FLF2V, Fraction(16), "comfyui/1")
    assert (defaults.sampling.steps, defaults.sampling.guidance, defaults.sampling.shift) == (20, (4.0,), 8.0)
    assert defaults.negative == "blurred, ugly"
    assert card.workflow is not None
    assert card.workflow.models == (CLIP, UNET, VAE)
    assert card.workflow.of_role("width") == (NodeInput("50", "width"),)
    assert set(card.unsupported) == {"loras", "profile", "variant"}


@pytest.mark.parametrize(
    ("left_out", "kind"), [(("last",), ShotKind.I2V), (("first", "last"), ShotKind.T2V), ((), ShotKind.FLF2V)]
)
def test_the_pictures_that_it_takes_decide_its_kind(read: Read, left_out: tuple[str, ...], kind: ShotKind) -> None:
    assert set(read(**dict.fromkeys(left_out, "")).card.kinds) == {kind}


def test_two_samplers_share_a_seed_and_decide_their_steps(read: Read) -> None:
    graph = flf_workflow()
    own = {name: value for name, value in graph["3"]["inputs"].items() if name not in ("seed", "denoise")}
    for node, begin, end in (("3", 0, 10), ("57", 10, 20)):
        inputs = {**own, "noise_seed": 5, "start_at_step": begin, "end_at_step": end, "cfg": 3.5}
        graph[node] = {"class_type": "KSamplerAdvanced", "inputs": inputs}
    graph["57"]["inputs"]["latent_image"] = ["3", 0]
    graph["8"]["inputs"]["samples"] = ["57", 0]
    card = read(graph, seed="3.noise_seed 57.noise_seed").card
    assert card.workflow is not None
    assert card.workflow.of_role("seed") == (NodeInput("3", "noise_seed"), NodeInput("57", "noise_seed"))
    assert {"steps", "guidance"} <= set(card.unsupported)
    assert card.kinds[ShotKind.FLF2V].sampling.guidance == (3.5,), "its negative prompt counts"


def test_without_an_input_for_them_settings_are_unsupported(read: Read) -> None:
    graph = changed(lambda graph: graph["3"]["inputs"].pop("cfg"))
    card = read(graph, negative="").card
    assert {"negative", "guidance"} <= set(card.unsupported)
    assert "steps" not in card.unsupported


@pytest.mark.parametrize(
    ("change", "is_another"),
    [
        (lambda graph: graph["37"]["inputs"].update(unet_name="wan2.2.safetensors"), True),
        (lambda graph: graph["3"]["inputs"].update(sampler_name="euler"), True),
        (lambda graph: graph["8"]["inputs"].update(samples=["3", 1]), True),
        (lambda graph: graph["6"]["inputs"].update(text="another prompt"), False),
        (lambda graph: graph["3"]["inputs"].update(seed=1, steps=4), False),
        (lambda graph: graph["52"]["inputs"].update(image="other.png"), False),
        (lambda graph: graph["3"]["_meta"].update(title="mine"), False),
        (lambda graph: graph["48"]["inputs"].update(filename_prefix="elsewhere"), False),
    ],
)
def test_what_changes_pixels_and_nothing_else_makes_it_another_model(
    read: Read,
    change: Change,
    is_another: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert (read().card.identity != read(changed(change)).card.identity) is is_another


def test_an_identity_is_what_it_was_and_names_the_files(read: Read) -> None:
    digest, _, names = read().card.identity.partition(" with ")
    assert digest == "comfyui:65d87728c6a9e6e63cb85aaa872d06a919f6de956b0bc4f5cdd046bdea5bf4dc"
    assert names == f"{CLIP}, {UNET}, {VAE}"


def test_every_mistake_of_a_map_has_its_key(read: Read) -> None:
    found = problems(read, first="51.image", prompt="6.words", seed="", frames="50", negative="50.negative")
    assert [each.partition(":")[0] for each in found] == ["first", "prompt", "negative", "frames", "seed"]
    assert "the workflow has no node '51'; nodes: 37 (UNETLoader)" in found[0]
    assert "node '6' (CLIPTextEncode) has no input 'words'; its inputs: text, clip" in found[1]
    assert "50.negative is linked to node 7 (CLIPTextEncode)" in found[2]
    assert "'50' names no input; NODE.INPUT" in found[3]
    assert "write one of `seed: 3.seed`" in found[4]


def test_what_does_not_lead_to_the_frames_is_a_mistake(read: Read) -> None:
    graph = flf_workflow() | {"90": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["38", 0]}}}
    assert problems(read, graph, prompt="90.text") == [
        "prompt: 90.text does not lead to the frames; an input of a node that they need"
    ]


def test_several_places_with_pictures_need_a_choice(read: Read) -> None:
    graph = flf_workflow() | {"91": {"class_type": "SaveImage", "inputs": {"images": ["52", 0]}}}
    (found,) = problems(read, graph)
    assert "comfyui: several nodes save pictures" in found
    assert read(graph, images="8").card.identity == read().card.identity


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds no graph"),
        (
            '{"nodes": [], "links": []}',
            "a workflow for ComfyUI's editor; a workflow in ComfyUI's API format; write its",
        ),
        ('{"3": {"inputs": {}}}', "node '3' has no class_type"),
        ('{"3": {"class_type": "X", "inputs": {"a": ["4", 0]}}}', "linked to a node that is not there"),
    ],
)
def test_files_that_are_no_workflow(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "api.json"
    file.write_text(content)
    with pytest.raises(InputError, match=words):
        workflow_reading(NamedWorkflow(file, "api.json", ()), None, "comfyui/1", machine_settings())


def test_a_server_is_asked_for_classes_files_and_types(server: FakeComfyUI, read: Read) -> None:
    assert read().doubts == ()
    graph = changed(lambda graph: graph["37"]["inputs"].update(unet_name="wan2.1_flf2v_720p_14B_fp8.safetensors"))
    graph["54"]["class_type"] = "ModelSamplingMine"
    found = problems(read, graph, prompt="7.text", negative="", seed="3.steps")
    assert len(found) == 2, found
    assert f"comfyui: {server.url} does not have 'wan2.1_flf2v_720p_14B_fp8.safetensors' for 37.unet_name" in found[0]
    assert UNET in found[0]
    assert f"node 54 is a 'ModelSamplingMine', which {server.url} does not have" in found[1]
    (wrong,) = problems(read, seed="3.denoise")
    assert wrong.startswith(f"seed: 3.denoise of {server.url} has the type 'FLOAT'; allowed: INT")


def test_a_server_that_does_not_answer_is_a_doubt(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAN_RENDER_COMFYUI", raising=False)
    assert read().doubts == ("the workflow was not compared with a server: WAN_RENDER_COMFYUI is not set",)
    monkeypatch.setenv("WAN_RENDER_COMFYUI", "http://127.0.0.1:9")
    (doubt,) = read().doubts
    assert doubt.startswith(
        "the workflow was not compared with http://127.0.0.1:9, which does not answer: no connection"
    )


def test_the_rate_is_that_of_its_video(read: Read) -> None:
    graph = changed(lambda graph: graph["49"]["inputs"].update(fps=24))
    assert read(graph).card.rate == Fraction(24)
