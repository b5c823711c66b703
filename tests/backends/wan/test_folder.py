"""A local folder of weights: what it is taken for, what identifies it, and what is refused, in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backends.wan.conftest import Tiny
from tests.tiny_wan import KINDS, card_of
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.errors import InputError
from wan_render.facts import FactCache
from wan_render.plan import make_plan
from wan_render.storyboard import read_storyboard

pytestmark = pytest.mark.wan

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tiny: Callable[[str], Tiny], tmp_path: Path) -> Path:
    """A checkpoint of one's own to break."""
    return Path(shutil.copytree(tiny("flf2v-2.1").folder, tmp_path / "model"))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as raised:
        catalogue(FactCache(folder.parent / "facts")).folder(folder)
    assert all(problem.where and problem.found for problem in raised.value.problems)
    return str(raised.value)


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("name", "steps", "guidance", "shift", "multiple"),
    [
        ("t2v-2.1", 50, (6.0,), 8.0, 16),
        ("i2v-2.1", 40, (5.0,), 3.0, 16),
        ("flf2v-2.1", 50, (5.0,), 16.0, 16),
        ("t2v-a14b", 40, (4.0, 3.0), 12.0, 16),
        ("i2v-a14b", 40, (3.5, 3.5), 5.0, 16),
        ("ti2v-5b", 50, (5.0,), 5.0, 32),
    ],
)
def test_a_folder_has_the_numbers_of_the_model_it_is_built_like(
    tiny: Callable[[str], Tiny], name: str, steps: int, guidance: tuple[float, ...], shift: float, multiple: int
) -> None:
    card = tiny(name).card

    assert tuple(card.kinds) == KINDS[name].kinds
    assert card.size_multiple == multiple
    assert card.name == str(tiny(name).folder)
    assert card.folder == tiny(name).folder
    for defaults in card.kinds.values():
        assert (defaults.sampling.steps, defaults.sampling.guidance, defaults.sampling.shift) == (
            steps,
            guidance,
            shift,
        )


@pytest.mark.parametrize(
    ("name", "own", "taken_for", "used"),
    [
        ("t2v-2.1", 4.0, "wan2.1-t2v-1.3b", 4.0),
        ("t2v-2.1", 3.0, "wan2.1-t2v-1.3b", 8.0),
        ("t2v-2.1", 8.0, "wan2.1-t2v-1.3b", 8.0),
        ("t2v-2.1", None, "wan2.1-t2v-1.3b", 8.0),
        ("flf2v-2.1", 16.0, "wan2.1-flf2v-14b", 16.0),
        ("flf2v-2.1", 3.0, "wan2.1-flf2v-14b", 16.0),
        ("flf2v-2.1", 5.0, "wan2.1-flf2v-14b", 5.0),
        ("i2v-2.1", 3.0, "wan2.1-i2v-14b-480p", 3.0),
        ("i2v-2.1", None, "wan2.1-i2v-14b-480p", 3.0),
        ("i2v-2.1", 5.0, "wan2.1-i2v-14b-720p", 5.0),
        ("i2v-2.1", 2.5, "wan2.1-i2v-14b-480p", 2.5),
        ("i2v-a14b", 12.0, "wan2.2-i2v-a14b", 12.0),
    ],
)
def test_a_shift_of_its_own_counts_unless_it_is_the_converters(
    tiny: Callable[[str], Tiny], tmp_path: Path, name: str, own: float | None, taken_for: str, used: float
) -> None:
    folder = Path(shutil.copytree(tiny(name).folder, tmp_path / "model"))
    file = folder / "scheduler/scheduler_config.json"
    config = json.loads(file.read_text()) | {"flow_shift": own}
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    card = card_of(folder)
    assert {defaults.sampling.shift for defaults in card.kinds.values()} == {used}
    assert card.resembles is not None
    assert (card.resembles.model, card.resembles.own_shift) == (taken_for, own)
    assert card.licence is None


@pytest.mark.parametrize("scheduler", ["UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"])
@pytest.mark.parametrize("shift", ["NaN", "Infinity", "1e999", "0", "-3", "1e6", '"much"', "[3]"])
def test_an_invalid_shift_is_refused(folder: Path, shift: str, scheduler: str) -> None:
    key = {"UniPCMultistepScheduler": "flow_shift", "FlowMatchEulerDiscreteScheduler": "shift"}[scheduler]
    edit(folder / "model_index.json", scheduler=["diffusers", scheduler])
    edit(folder / "scheduler/scheduler_config.json", **{key: "HERE"})
    file = folder / "scheduler/scheduler_config.json"
    file.write_text(file.read_text().replace('"HERE"', shift))
    assert f"scheduler_config.json: '{key}' is" in refusal(folder)


@pytest.mark.parametrize(
    ("own", "written", "as_what", "said"),
    [
        (
            4.0,
            "",
            "warning",
            "the folder's own flow_shift is used, not the shift of the model that it is built like: "
            "mine (4, not 8 of wan2.1-t2v-1.3b)",
        ),
        (
            3.0,
            "",
            "warning",
            "the shift of the model that the folder is built like is used, not its flow_shift, which diffusers writes "
            "for most models: mine (8 of wan2.1-t2v-1.3b, not 3)",
        ),
        (8.0, "", "note", "its shift, 8, is used"),
        (4.0, ", shift: 6", "note", "shift 6 is used, as written; the folder's flow_shift is 4, that model's shift 8"),
    ],
)
def test_a_plan_says_what_a_folder_was_taken_for_and_which_shift_is_used(
    tiny: Callable[[str], Tiny], tmp_path: Path, own: float, written: str, as_what: str, said: str
) -> None:
    shutil.copytree(tiny("t2v-2.1").folder, tmp_path / "mine")
    edit(tmp_path / "mine/scheduler/scheduler_config.json", flow_shift=own)
    file = tmp_path / "film.yaml"
    defaults = f"defaults: {{render: {{t2v: {{model: mine{written}}}}}}}"
    file.write_text(f"film: {{raster: 64x48}}\n{defaults}\nshots: [{{action: a}}, {{action: b}}]\n")
    cache = FactCache(tmp_path / "facts")
    models = catalogue(cache)
    plan = make_plan(read_storyboard(file, models=models, cache=cache), models=models, backend_id="wan/1", cache=cache)
    found = [each for each in (plan.warnings if as_what == "warning" else plan.notes) if "is built like" in each.found]
    assert len(found) == 1
    assert "mine" in found[0].found
    assert "wan2.1-t2v-1.3b" in found[0].found
    assert said in found[0].found
    assert found[0].where.endswith("defaults.render.t2v.model")
    cache.close()


def test_folders_with_a_doubtful_shift_share_one_warning_that_names_all(
    tiny: Callable[[str], Tiny], tmp_path: Path
) -> None:
    names = [f"tune{number}" for number in range(1, 7)]
    for number, name in enumerate(names, 1):
        shutil.copytree(tiny("t2v-2.1").folder, tmp_path / name)
        edit(tmp_path / name / "scheduler/scheduler_config.json", flow_shift=3.0 if number == 6 else 3.0 + number)
    file = tmp_path / "film.yaml"
    shots = ", ".join(f"{{action: a, render: {{t2v: {{model: {name}}}}}}}" for name in names)
    file.write_text(f"film: {{raster: 64x48}}\nshots: [{shots}]\n")
    cache = FactCache(tmp_path / "facts")
    models = catalogue(cache)
    plan = make_plan(read_storyboard(file, models=models, cache=cache), models=models, backend_id="wan/1", cache=cache)
    cache.close()

    own, official = (each for each in plan.warnings if "is built like" in each.found)
    values = [("tune1", 4), ("tune2", 5), ("tune3", 6), ("tune4", 7)]
    assert own.found.endswith(": " + ", ".join(f"{name} ({own}, not 8 of wan2.1-t2v-1.3b)" for name, own in values))
    assert official.found.endswith("for most models: tune6 (8 of wan2.1-t2v-1.3b, not 3)")
    assert own.where.endswith("shots[0].render.t2v.model")
    assert own.remedy == official.remedy == "write `shift:` to decide"


def test_identity_is_of_the_content_not_of_the_place(folder: Path, tiny: Callable[[str], Tiny]) -> None:
    original = tiny("flf2v-2.1").card.identity

    assert original.startswith("sha256:")
    assert len(original) == len("sha256:") + 64
    assert card_of(folder).identity == original
    (folder / "notes.txt").write_text("not a weight")
    assert card_of(folder).identity == original


def test_one_changed_weight_is_another_model(folder: Path) -> None:
    before = card_of(folder).identity
    file = folder / TRANSFORMER
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)

    assert card_of(folder).identity != before


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    assert "is not a folder" in refusal(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "model_index.json is not there" in refusal(tmp_path / "empty")


def test_wans_original_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "original"
    folder.mkdir()
    (folder / "Wan2.1_VAE.pth").touch()

    text = refusal(folder)
    assert "weights in another layout" in text
    assert "wan-render models import" in text


@pytest.mark.parametrize("text", ["{", "[]", "\x00", "[" * 100_000, '{"_class_name": 3}', '{"_class_name": "Flux"}'])
def test_a_broken_or_foreign_index_is_refused(folder: Path, text: str) -> None:
    (folder / "model_index.json").write_text(text)

    assert "model_index.json" in refusal(folder)


@pytest.mark.parametrize(
    "component",
    ["transformer", "vae", "scheduler", "tokenizer", "text_encoder", "image_encoder", "image_processor"],
)
def test_a_missing_component_is_named(folder: Path, component: str) -> None:
    shutil.rmtree(folder / component)

    assert f"has no {component}" in refusal(folder)


@pytest.mark.parametrize("file", [TRANSFORMER, "text_encoder/model.safetensors", "vae/config.json"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()

    assert Path(file).name in refusal(folder)


def test_all_bad_weights_are_named_at_once(folder: Path) -> None:
    (folder / TRANSFORMER).unlink()
    (folder / "text_encoder/model.safetensors").unlink()

    assert len(refusal(folder).splitlines()) == 2


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / TRANSFORMER).rename(folder / "transformer" / "diffusion_pytorch_model.bin")

    text = refusal(folder)
    assert "pickled weights only: diffusion_pytorch_model.bin" in text
    assert "never opened" in text


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_a_truncated_file_is_refused(folder: Path, length: int) -> None:
    file = folder / TRANSFORMER
    file.write_bytes(file.read_bytes()[:length])

    assert "bytes" in refusal(folder)


@pytest.mark.parametrize(
    "data", [b"\xff" * 64, b"\x02" + bytes(7) + b"[]", b"\x0a" + bytes(7) + b'{"a": [1]}', bytes(64)]
)
def test_a_file_in_another_format_is_refused(folder: Path, data: bytes) -> None:
    (folder / TRANSFORMER).write_bytes(data)

    assert "diffusion_pytorch_model.safetensors" in refusal(folder)


def test_quantised_weights_are_refused(folder: Path) -> None:
    edit(folder / "transformer/config.json", quantization_config={"quant_method": "gguf"})
    assert "is quantised" in refusal(folder)
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}).encode()
    edit(folder / "transformer/config.json", quantization_config=None)
    (folder / TRANSFORMER).write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert "F8_E4M3" in refusal(folder)


def test_shards_are_counted(folder: Path) -> None:
    index = folder / f"{TRANSFORMER}.index.json"
    (folder / TRANSFORMER).rename(folder / "transformer/part-1.safetensors")
    index.write_text(json.dumps({"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}))
    assert "part-2.safetensors" in refusal(folder)
    index.write_text(json.dumps({"weight_map": {"a": "part-1.safetensors"}}))
    assert card_of(folder)


@pytest.mark.parametrize("shard", ["../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "part.bin", 3])
def test_shards_cannot_lead_out_of_the_folder(folder: Path, shard: object) -> None:
    (folder / TRANSFORMER).unlink()
    (folder / f"{TRANSFORMER}.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))

    assert "allowed: safetensors files beside it" in refusal(folder)


def test_components_of_two_models_do_not_mix(folder: Path) -> None:
    edit(folder / "transformer/config.json", in_channels=16)
    assert "'in_channels' is 16; expected 36" in refusal(folder)
    edit(folder / "transformer/config.json", in_channels=36, text_dim=4096, image_dim=1280)
    text = refusal(folder)
    assert "'d_model' is 32; expected 4096" in text
    assert "'hidden_size' is 16; expected 1280" in text


def test_a_scheduler_that_would_ignore_the_shift_is_refused(folder: Path) -> None:
    edit(folder / "scheduler/scheduler_config.json", use_flow_sigmas=False)
    assert "use_flow_sigmas" in refusal(folder)
    edit(folder / "scheduler/scheduler_config.json", use_flow_sigmas=True, use_dynamic_shifting=True)
    assert "use_dynamic_shifting" in refusal(folder)


def test_a_foreign_component_is_refused(folder: Path) -> None:
    edit(folder / "model_index.json", vae=["diffusers", "AutoencoderKL"])

    assert "'vae' is a AutoencoderKL" in refusal(folder)


def test_an_unknown_build_is_refused(tiny: Callable[[str], Tiny], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny("i2v-a14b").folder, tmp_path / "model"))
    edit(folder / "model_index.json", boundary_ratio=None)

    assert "unknown build" in refusal(folder)
