"""LoRAs against models by header and configuration alone: published ways of naming, published builds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backends.wan.conftest import Tiny
from tests.lora_files import entries, lora, pair, square, written
from tests.tiny_wan import diffusers
from wan_render.backends.wan.lora.lora_changes import lora_changes
from wan_render.backends.wan.lora.lora_fit import lora_fit
from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.transformer_shapes import PUBLISHED_BUILDS, weight_shapes
from wan_render.errors import InputError

A14B, FLF2V = official.I2V_A14B.card(), official.FLF2V_14B.card()
AB, DU = ("lora_A", "lora_B"), ("lora_down", "lora_up")


@pytest.mark.wan
@pytest.mark.parametrize("model", official.ALL, ids=lambda model: model.name)
def test_a_published_models_weights_are_those_that_diffusers_builds(model: official.Official) -> None:
    import torch

    config = PUBLISHED_BUILDS[model.identity]
    sees_video = bool(config.vace_layers)
    cls = diffusers().WanVACETransformer3DModel if sees_video else diffusers().WanTransformer3DModel
    others = {"quantization_config", "attended_share", *(() if sees_video else ("vace_layers", "vace_in_channels"))}
    with torch.device("meta"):
        built = cls(**config.model_dump(exclude=others))
    assert weight_shapes(config) == {name: tuple(weight.shape) for name, weight in built.named_parameters()}


@pytest.mark.wan
@pytest.mark.parametrize("kind", ["flf2v-2.1", "i2v-a14b", "ti2v-5b"])
def test_a_local_folder_is_held_against_its_own_configuration(
    tiny: Callable[[str], Tiny], tmp_path: Path, kind: str
) -> None:
    card = tiny(kind).card
    lora(tmp_path / "tiny.safetensors", 24)
    assert [layers.total for layers in lora_fit(card, tmp_path / "tiny.safetensors").layers] == [1] * tiny(
        kind
    ).kind.experts
    lora(tmp_path / "real.safetensors", 5120)
    with pytest.raises(InputError, match=r"blocks.0.attn1.to_q.weight \(5120, 5120\) for \(24, 24\)"):
        lora_fit(card, tmp_path / "real.safetensors")


NAMINGS: dict[str, dict[str, tuple[int, ...]]] = {
    "Wan's own": dict(pair("diffusion_model.blocks.3.self_attn.o", 5120)),
    "peft": dict(pair("base_model.model.blocks.3.self_attn.o", 5120, ("lora_A.default", "lora_B.default"))),
    "diffusers": dict(pair("transformer.blocks.3.attn1.to_out.0", 5120, AB)),
    "DiffSynth": dict(pair("pipe.dit.blocks.3.self_attn.o", 5120, ("lora_A.default", "lora_B.default"))),
    "no prefix": dict(pair("blocks.3.self_attn.o", 5120, AB)),
    "Kohya": {**pair("lora_unet_blocks_3_self_attn_o", 5120), "lora_unet_blocks_3_self_attn_o.alpha": ()},
    "Wan-Fun": dict(pair("lora_unet__blocks_3_self_attn_o", 5120)),
    "Kohya with dots": dict(pair("lora_unet_blocks_3.self_attn.o", 5120)),
    "LyCORIS": dict(pair("lycoris_blocks_3_attn1_to_out_0", 5120)),
    "OneTrainer": dict(pair("lora_transformer_blocks_3_attn1_to_out_0", 5120)),
    "OneTrainer with dots": dict(pair("lora_transformer.blocks.3.attn1.to_out.0", 5120)),
    "ComfyUI": dict(pair("model.diffusion_model.blocks.3.self_attn.o", 5120)),
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_every_way_of_naming_means_the_same_layer(tmp_path: Path, naming: str) -> None:
    written(tmp_path / "a", entries(NAMINGS[naming]))
    changes = lora_changes(tmp_path / "a")
    assert list(changes.parts[""]) == ["blocks.3.attn1.to_out.0.weight"]
    (high, low) = lora_fit(A14B, tmp_path / "a").layers
    assert (high.applied, high.total) == (low.applied, low.total) == (1, 1)


@pytest.mark.parametrize(
    ("high", "low"),
    [
        ("transformer.blocks.0.attn1.to_q", "transformer_2.blocks.0.attn1.to_q"),
        ("diffusion_model.blocks.0.self_attn.q", "diffusion_model_2.blocks.0.self_attn.q"),
        ("diffusion_model.transformer_1.blocks.0.self_attn.q", "diffusion_model.transformer_2.blocks.0.self_attn.q"),
        ("lora_transformer_blocks_0_attn1_to_q", "lora_transformer_2_blocks_0_attn1_to_q"),
        ("lora_transformer.blocks.0.attn1.to_q", "lora_transformer_2.blocks.0.attn1.to_q"),
        ("pipe.dit.blocks.0.self_attn.q", "pipe.dit2.blocks.0.self_attn.q"),
    ],
)
def test_a_file_of_both_experts_has_a_part_for_each(tmp_path: Path, high: str, low: str) -> None:
    written(tmp_path / "a", entries({**pair(high, 5120), **pair(low, 5120)}))
    parts = lora_changes(tmp_path / "a").parts
    assert {expert: list(part) for expert, part in parts.items()} == {
        "high": ["blocks.0.attn1.to_q.weight"],
        "low": ["blocks.0.attn1.to_q.weight"],
    }
    assert parts["high"] != parts["low"]
    assert lora_fit(A14B, tmp_path / "a").has_parts
    (only,) = lora_fit(FLF2V, tmp_path / "a").layers
    assert (only.applied, only.total) == (1, 2)
    written(tmp_path / "b", entries(pair(low, 5120)))
    assert lora_fit(A14B, tmp_path / "b").meant_for == "low"


def test_layers_for_pictures_are_left_out_where_a_model_does_without_clip(tmp_path: Path) -> None:
    layers = ("self_attn.q", "cross_attn.k_img", "cross_attn.v_img")
    written(tmp_path / "a", entries(square(5120, layers, blocks=40)))
    for fit in lora_fit(A14B, tmp_path / "a").layers:
        assert (fit.applied, fit.total) == (40, 120)
        assert "pictures that CLIP sees" in fit.left_out[0].why
    (fit,) = lora_fit(FLF2V, tmp_path / "a").layers
    assert (fit.applied, fit.total, fit.left_out) == (120, 120, ())


FAMILIES: dict[str, dict[str, tuple[int, ...]]] = {
    "SDXL": dict(pair("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", 640)),
    "Flux, Kohya": dict(pair("lora_unet_double_blocks_0_img_attn_proj", 3072)),
    "Flux, diffusers": dict(pair("transformer.single_transformer_blocks.0.attn.to_q", 3072, AB)),
    "Hunyuan": dict(pair("diffusion_model.double_blocks.0.img_attn_qkv", 3072)),
    "LTX": dict(pair("diffusion_model.transformer_blocks.0.attn1.to_q", 2048, AB)),
    "Wan 1.3B": dict(square(1536)),
    "Wan 5B": dict(square(3072)),
    "VACE": dict(square(5120)) | dict(pair("diffusion_model.vace_blocks.0.self_attn.q", 5120)),
    "a text encoder": dict(pair("lora_te_text_model_encoder_layers_0_mlp_fc1", 768)),
    "block 40": dict(pair("diffusion_model.blocks.40.self_attn.q", 5120)),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("card", [A14B, FLF2V], ids=lambda card: card.name)
def test_a_lora_of_another_model_is_refused(tmp_path: Path, card: Any, family: str) -> None:
    written(tmp_path / "a", entries(FAMILIES[family]))
    with pytest.raises(InputError) as caught:
        lora_fit(card, tmp_path / "a")
    (problem,) = caught.value.problems
    assert problem.where == str(tmp_path / "a")
    assert f"does not fit {card.name}" in problem.found


def test_the_models_that_a_refused_lora_fits_are_named(tmp_path: Path) -> None:
    lora(tmp_path / "a", 3072)
    with pytest.raises(InputError, match=r"it fits wan2.2-ti2v-5b; remove it"):
        lora_fit(A14B, tmp_path / "a")


Q = "diffusion_model.blocks.0.self_attn.q"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (entries({f"{Q}.lora_down.weight": (1, 5120)}), "its matrix A without B"),
        (entries({f"{Q}.lora_up.weight": (5120, 1)}), "its matrix B without A"),
        (entries({f"{Q}.lora_down.weight": (2, 5120), f"{Q}.lora_up.weight": (5120, 1)}), "(5120, 1) times (2, 5120)"),
        (entries({f"{Q}.lora_down.weight": (1, 5120, 1), f"{Q}.lora_up.weight": (5120, 1)}), "times (1, 5120, 1)"),
        (entries({f"{Q}.lora_down.weight": (0, 5120), f"{Q}.lora_up.weight": (5120, 0)}), "it is empty"),
        (entries(pair(Q, 5120), "I8"), "as I8; its numbers must be floating-point"),
        (entries({**pair(Q, 5120), f"{Q}.alpha": (2,)}), "an alpha is one number"),
        (entries({**pair(Q, 5120), f"{Q}.diff": (5120, 5120)}, "U8"), "in two ways"),
        (entries({**pair(Q, 5120), f"{Q}.diff_b": (5120,), f"{Q}.lora_B.bias": (5120,)}), "in two ways"),
        (entries({**pair(Q, 5120), **pair(Q, 5120, AB)}), "has the same part of blocks.0.attn1.to_q twice"),
        (entries({**pair(Q, 5120), **pair("blocks.0.attn1.to_q", 5120)}), "twice"),
        (entries({f"{Q}.alpha": ()}), "holds no LoRA"),
        (entries({f"{Q}.weight": (5120, 5120)}, "U8"), "holds no LoRA"),
        (entries({**pair(Q, 5120), f"{Q}.scale_weight": ()}), "not part of a known LoRA format"),
        (entries({**pair(Q, 5120), f"{Q}.dora_scale": (5120,)}), "is a DoRA"),
        (entries({f"{Q}.lokr_w1": (4, 4)}), "is a LoKr or LoHa"),
        (entries({f"{Q}.diff_b": (1536,)}), "(1536,) for (5120,)"),
        *(
            ({"__metadata__": {"lora_adapter_metadata": text}, **entries(pair(Q, 5120))}, found)
            for text, found in (
                ("{", "not a JSON object"),
                ("[1]", "not a JSON object"),
                ('{"transformer.r": 1, "transformer.lora_alpha": "x"}', "an alpha of x and a rank of 1"),
                ('{"transformer.r": 1, "transformer.lora_alpha": 1e999}', "an alpha of inf"),
                ('{"transformer.r": [4], "transformer.lora_alpha": 8}', "a rank of [4]"),
                ('{"transformer.use_dora": true}', "declares use_dora"),
            )
        ),
    ],
)
def test_what_would_be_applied_wrongly_is_refused(tmp_path: Path, header: dict[str, Any], found: str) -> None:
    written(tmp_path / "a", header)
    with pytest.raises(InputError) as caught:
        lora_fit(FLF2V, tmp_path / "a")
    assert found in str(caught.value)


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"])
def test_every_floating_point_type_is_read(tmp_path: Path, dtype: str) -> None:
    written(tmp_path / "a", entries(pair(Q, 5120), dtype))
    assert lora_fit(FLF2V, tmp_path / "a").layers[0].applied == 1


def test_differences_of_norms_biases_and_tables_count_as_layers(tmp_path: Path) -> None:
    """As LightX2V's distilled LoRAs have them, and ComfyUI's tables."""
    tensors = {
        "diffusion_model.blocks.0.norm3.diff": (5120,),
        "diffusion_model.blocks.0.norm3.diff_b": (5120,),
        "diffusion_model.blocks.0.self_attn.norm_k.diff": (5120,),
        "diffusion_model.blocks.0.diff_m": (1, 6, 5120),
        "diffusion_model.blocks.1.modulation.diff": (1, 6, 5120),
        "diffusion_model.head.diff_m": (1, 2, 5120),
        "diffusion_model.head.head.diff_b": (64,),
        "diffusion_model.time_projection.1.diff_b": (30720,),
        "lora_unet_text_embedding_2.diff_b": (5120,),
        "diffusion_model.img_emb.proj.3.diff_b": (5120,),
    }
    written(tmp_path / "a", entries(tensors))
    (layers,) = lora_fit(FLF2V, tmp_path / "a").layers
    assert (layers.applied, layers.total) == (9, 9)


def test_each_part_has_the_scale_that_is_declared_for_it(tmp_path: Path) -> None:
    declared = {"transformer.r": 1, "transformer.lora_alpha": 2, "transformer_2.r": 1, "transformer_2.lora_alpha": 3}
    tensors = {
        **pair("transformer.blocks.0.attn1.to_q", 5120, AB),
        **pair("transformer_2.blocks.0.attn1.to_q", 5120, AB),
    }
    written(tmp_path / "a", {"__metadata__": {"lora_adapter_metadata": json.dumps(declared)}, **entries(tensors)})
    parts = lora_changes(tmp_path / "a").parts
    assert [getattr(next(iter(parts[expert].values())), "declared", 0) for expert in ("high", "low")] == [2, 3]
