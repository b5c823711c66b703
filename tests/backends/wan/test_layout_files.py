"""Which files make a model: shards, GGUF, damaged files, several files of one part, and parts of other models."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.backends.wan.gguf_layout import save_text_encoder, save_transformer
from tests.backends.wan.other_layouts import (
    in_float8,
    save_as_comfyui,
    save_wans_own,
    spiece,
    wans_transformer,
)
from tests.backends.wan.test_layouts import Parts, Said, parts, request, tokenizer, weights_in
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.layouts.import_model import import_model
from wan_render.backends.wan.layouts.opened_file import open_weights
from wan_render.backends.wan.models.local_folder import resembled
from wan_render.errors import InputError, MachineError, UsageError

pytestmark = pytest.mark.wan

__all__ = ["parts", "tokenizer"]  # fixtures


def cut_in_two(file: Path) -> list[Path]:
    """A safetensors file as two shards, as Wan's 14B transformers come."""
    from safetensors.torch import load_file, save_file

    weights = load_file(file)
    names, half = sorted(weights), len(weights) // 2
    shards = [file.with_name(f"{file.stem}-0000{number}-of-00002.safetensors") for number in (1, 2)]
    for shard, own in zip(shards, (names[:half], names[half:]), strict=True):
        save_file({name: weights[name] for name in own}, shard)
    file.unlink()
    return shards


def same_weights(found: Path, expected: Path) -> bool:
    import torch

    mine, theirs = weights_in(found), weights_in(expected)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name].float(), theirs[name].float()) for name in mine)


def test_shards_are_one_file(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    files = save_wans_own(parts, tmp_path / "Wan2.1-FLF2V")
    first, second = cut_in_two(files / "diffusion_pytorch_model.safetensors")
    asked = replace(request([files], tmp_path, tokenizer), name=None)
    made = import_model(asked, Said())
    assert made.folder.name == "Wan2.1-FLF2V"
    assert same_weights(made.folder, tokenizer.parent)
    second.unlink()
    with pytest.raises(InputError, match=r"has 1 of 2 shards.*00002-of-00002"):
        open_weights(first)


def test_a_damaged_file_below_a_folder_does_not_stop_the_others(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """It is told, and told again if something is missing: it may have been that."""
    files, said = save_as_comfyui(parts, tmp_path / "files"), Said()
    (files / "vae" / "broken.safetensors").write_bytes(b"no weights")
    (files / "old.pt").write_bytes(b"no archive")
    asked = request([files], tmp_path, tokenizer)
    assert import_model(asked, said).folder.is_dir()
    assert [line.partition(":")[0].rpartition("/")[2] for line in said.lines if "passed over" in line] == [
        "old.pt",
        "broken.safetensors",
    ]
    (files / "vae" / "wan_2.1_vae.safetensors").unlink()
    asked = replace(asked, name="other", root=tmp_path / "empty")
    with pytest.raises(UsageError, match=r"the VAE is missing(.|\n)*broken\.safetensors"):
        import_model(asked, Said())
    with pytest.raises(InputError, match=r"broken\.safetensors"):
        import_model(replace(asked, paths=(files / "vae" / "broken.safetensors", files)), Said())


def test_the_more_precise_of_two_files_is_used(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """And a transformer that is named comes before those below a folder."""
    from safetensors.torch import save_file

    files, said = save_as_comfyui(parts, tmp_path / "files"), Said()
    plain = files / "diffusion_models" / "wan2.1_flf2v.safetensors"
    save_file(in_float8(wans_transformer(parts), "scale_weight"), files / "diffusion_models" / "fp8.safetensors")
    encoder = {f"{name}": weight.clone() for name, weight in parts["text_encoder"].state_dict().items()}
    encoder.pop("encoder.embed_tokens.weight", None)
    save_file({name: _rounded(weight) for name, weight in encoder.items()}, files / "text_encoders" / "fp8.safetensors")
    asked = request([files], tmp_path, tokenizer)
    with pytest.raises(UsageError, match=r"there are 2 transformers: fp8\.safetensors, wan2\.1_flf2v\.safetensors"):
        import_model(asked, Said())
    made = import_model(replace(asked, paths=(plain, files)), said)
    assert "fp8.safetensors is not used: umt5_xxl_fp16.safetensors is more precise" in said.lines
    assert same_weights(made.folder, tokenizer.parent)


def _rounded(weight: Any) -> Any:
    import torch

    return weight.to(torch.float8_e4m3fn)


def test_experts_are_known_by_their_names(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """Nothing else says it: as in Wan's own folders of Wan 2.2. What was chosen is told."""
    from safetensors.torch import save_file

    files, said = save_wans_own(parts, tmp_path / "Wan2.2-I2V-A14B"), Said()
    (files / "diffusion_pytorch_model.safetensors").unlink()
    plain = {name: weight.clone() for name, weight in wans_transformer(parts).items() if "img" not in name}
    for number, folder in enumerate(("high_noise_model", "low_noise_model")):
        (files / folder).mkdir()
        weights = plain | {"head.head.bias": plain["head.head.bias"] + number}
        save_file(weights, files / folder / "diffusion_pytorch_model.safetensors")
        cut_in_two(files / folder / "diffusion_pytorch_model.safetensors")
    asked = request([files], tmp_path, tokenizer)
    made = import_model(asked, said)
    named = [files / folder for folder in ("low_noise_model", "high_noise_model")]
    swapped = import_model(replace(asked, name="swapped", high=named[0], low=named[1]), Said())
    found, other = weights_in(made.folder), weights_in(swapped.folder)
    bias = "transformer: proj_out.bias"
    assert (found[bias] + 1).equal(other[bias])
    assert resembled(read_checkpoint(made.folder)).name == "wan2.2-i2v-a14b"
    assert any("by their names; --high and --low decide otherwise" in line for line in said.lines)


def test_what_is_missing_comes_from_a_model_that_is_here(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    files, said = save_as_comfyui(parts, tmp_path / "files"), Said()
    asked = request([files], tmp_path, tokenizer)
    whole = import_model(asked, Said())
    (whole.folder / "tokenizer" / "tokenizer.json").write_text("{}")
    alone = replace(asked, paths=(files / "diffusion_models",), name="again", tokenizer=None)
    made = import_model(alone, said)
    assert same_weights(made.folder, whole.folder)
    borrowed = [line for line in said.lines if "none among the files; that of mine is used" in line]
    assert [line.partition(":")[0] for line in borrowed] == ["text encoder", "image encoder", "vae", "tokenizer"]


@pytest.mark.parametrize(("kind", "most"), [("Q8_0", 0.01), ("Q5_1", 0.05), ("Q4_0", 0.15), ("BF16", 0.0)])
def test_gguf_is_read(kind: str, most: float, parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """diffusers unpacks the same numbers, but in float16."""
    pytest.importorskip("gguf")
    files, said = save_as_comfyui(parts, tmp_path / "files"), Said()
    (files / "diffusion_models" / "wan2.1_flf2v.safetensors").unlink()
    file = save_transformer(parts, tmp_path / "files" / "any.gguf", kind)
    made = import_model(request([files], tmp_path, tokenizer), said)
    expected, found = weights_in(tokenizer.parent), weights_in(made.folder)
    assert found.keys() == expected.keys()
    name = "transformer: blocks.1.attn1.to_q.weight"
    assert found[name].dtype == expected[name].dtype
    error = (found[name].float() - expected[name].float()).abs().max() / expected[name].float().abs().max()
    assert error <= most
    assert bool(error) == bool(most)
    assert found["transformer: patch_embedding.weight"].shape == expected["transformer: patch_embedding.weight"].shape
    if kind != "BF16":
        assert f"transformer was stored in {kind} (GGUF) and is written as bfloat16: its rounding stays" in said.lines
        theirs = _unpacked_by_diffusers(file, "blocks.1.self_attn.q.weight")
        assert (found[name].float() - theirs.float()).abs().max() <= 2**-7 * theirs.abs().max()


def _unpacked_by_diffusers(file: Path, name: str) -> Any:
    loading: Any = import_module("diffusers.models.model_loading_utils")
    unpacking: Any = import_module("diffusers.quantizers.gguf.utils")
    return unpacking.dequantize_gguf_tensor(loading.load_gguf_checkpoint(str(file))[name])


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"])
def test_the_types_of_common_gguf_files_are_read_as_diffusers_reads_them(kind: str, tmp_path: Path) -> None:
    """Random blocks: nothing in Python writes these types."""
    gguf = pytest.importorskip("gguf")
    import numpy as np

    kinds = gguf.GGMLQuantizationType[kind]
    random = np.random.default_rng(3)
    blocks = random.integers(0, 256, (4, 2 * gguf.GGML_QUANT_SIZES[kinds][1]), np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "any.gguf", "wan")
    writer.add_tensor("x.weight", _with_small_scales(blocks, gguf.GGML_QUANT_SIZES[kinds][1], kind), raw_dtype=kinds)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    found = open_weights(tmp_path / "any.gguf").weight("x.weight").float()
    theirs = _unpacked_by_diffusers(tmp_path / "any.gguf", "x.weight").float()
    assert found.shape == theirs.shape
    assert (found - theirs).abs().max() <= 2**-7 * theirs.abs().max()


def _with_small_scales(blocks: Any, size: int, kind: str) -> Any:
    """The scales of a block are float16, at its beginning or its end: random bytes would be infinite."""
    import numpy as np

    places = {"Q2_K": (-4, -2), "Q3_K": (-2,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (-2,)}.get(kind, (0,))
    rows = blocks.reshape(-1, size)
    for place in places:
        start = place % size
        rows[:, start : start + 2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    return rows.reshape(blocks.shape)


def test_a_text_encoder_in_gguf_brings_its_tokenizer(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from transformers import T5Tokenizer

    files = save_as_comfyui(parts, tmp_path / "files")
    raw = bytes(spiece(tmp_path).numpy())
    encoder = files / "text_encoders" / "umt5_xxl_fp16.safetensors"
    encoder.unlink()
    save_text_encoder(parts, encoder.with_suffix(".gguf"), "F32", raw)
    made = import_model(replace(request([files], tmp_path, tokenizer), tokenizer=None), Said())
    assert same_weights(made.folder, tokenizer.parent)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "spiece.model").write_bytes(raw)
    own = T5Tokenizer.from_pretrained(str(tmp_path / "own"), extra_ids=0)
    read = T5Tokenizer.from_pretrained(str(made.folder / "tokenizer"))
    for text in ("the deer looks up", "白鸽 山 水", "  two  spaces and naïve café", "ﬁ ① unknown ✈"):
        assert read(text).input_ids == own(text).input_ids


def test_gguf_without_its_package_is_told(
    parts: Parts, tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wan_render.backends.wan.layouts import gguf_file

    files, said = save_as_comfyui(parts, tmp_path / "files"), Said()
    (files / "any.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(gguf_file, "find_spec", lambda _: None)
    assert import_model(request([files], tmp_path, tokenizer), said).folder.is_dir()
    assert any("any.gguf: passed over: gguf is not installed" in line for line in said.lines)
    with pytest.raises(MachineError, match=r"\.\[gguf\]"):
        open_weights(files / "any.gguf")
