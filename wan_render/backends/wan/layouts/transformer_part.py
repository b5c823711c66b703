"""A file of a Wan transformer: which build it is, by the names and shapes of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from wan_render.backends.wan.checkpoint.configs import ATTENDED_SHARE_KEY, TransformerConfig
from wan_render.backends.wan.layouts.part import (
    NoPart,
    Part,
    PartKind,
    Shape,
    layer_count,
    placed_shapes,
    require_shapes,
    targets_of,
)
from wan_render.backends.wan.layouts.weight_names import transformer_name, without_prefix
from wan_render.backends.wan.layouts.weights_file import WeightsFile
from wan_render.backends.wan.models.fine_tuned import ATTENDED_SHARE
from wan_render.backends.wan.models.transformer_shapes import is_sparse_linear, weight_shapes

PATCH = (1, 2, 2)
"""Frames, rows and columns of latents in a token of every published Wan transformer."""

HEAD_DIM = 128
"""Features of an attention head in every published Wan transformer. Shapes do not tell."""

_OTHER_MODELS = {
    "control_adapter.": "Fun-Control-Camera",
    "ref_conv.": "Fun-Control",
    "motion_encoder.": "Animate",
    "casual_audio_encoder.": "S2V",
    "audio_proj.": "an audio model",
}

_TURBO_IN_8_BITS = (
    "a transformer of TurboDiffusion in 8 bits, whose scales for blocks of weights are not supported: use the file "
    "without -quant"
)


def is_transformer(names: set[str]) -> bool:
    """Whether these names of weights are a Wan transformer's."""
    return "patch_embedding.weight" in names and any(name.startswith("blocks.0.") for name in names)


def transformer_part(file: WeightsFile) -> Part | NoPart:
    """The transformer in a file. Raises InputError unless its weights are those of its build."""
    if any(name.endswith(".int8_weight") for name in file.weights):
        return NoPart(file, _TURBO_IN_8_BITS)
    for prefix, model in _OTHER_MODELS.items():
        if any(without_prefix(name).startswith(prefix) for name in file.weights):
            return NoPart(file, f"the transformer of {model}, which is not supported")
    names = targets_of(file, transformer_name)
    shapes = placed_shapes(file, names)
    config = _transformer_config(shapes)
    require_shapes(file, shapes, weight_shapes(TransformerConfig(**config)))
    return Part(PartKind.TRANSFORMER, file, names, config, _transformer_words(config, file))


def _transformer_config(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """The configuration that gives these shapes."""
    embedder = "condition_embedder"
    width, channels, patch = _patches(shapes["patch_embedding.weight"])
    image = shapes.get(f"{embedder}.image_embedder.norm1.weight")
    positions = shapes.get(f"{embedder}.image_embedder.pos_embed")
    head_dim = HEAD_DIM if width % HEAD_DIM == 0 else width
    per_patch = patch[0] * patch[1] * patch[2]
    config: dict[str, Any] = {
        "patch_size": patch,
        "num_attention_heads": width // head_dim,
        "attention_head_dim": head_dim,
        "in_channels": channels,
        "out_channels": shapes["proj_out.weight"][0] // per_patch,
        "text_dim": shapes[f"{embedder}.text_embedder.linear_1.weight"][1],
        "freq_dim": shapes[f"{embedder}.time_embedder.linear_1.weight"][1],
        "ffn_dim": shapes["blocks.0.ffn.net.0.proj.weight"][0],
        "num_layers": layer_count(shapes, "blocks."),
        "cross_attn_norm": "blocks.0.norm2.weight" in shapes,
        "image_dim": None if image is None else image[0],
        "added_kv_proj_dim": width if "blocks.0.attn2.add_k_proj.weight" in shapes else None,
        "pos_embed_seq_len": None if positions is None else positions[1],
    }
    if any(map(is_sparse_linear, shapes)):
        config[ATTENDED_SHARE_KEY] = ATTENDED_SHARE
    return config | _vace_config(shapes, config["num_layers"])


def _vace_config(shapes: Mapping[str, Shape], layers: int) -> dict[str, Any]:
    """What only VACE's configuration has. Which layers have a second block is in no shape: they are evenly spaced in
    both published models."""
    if not any(name.startswith("vace_blocks.") for name in shapes):
        return {}
    count = layer_count(shapes, "vace_blocks.")
    seen = _patches(shapes["vace_patch_embedding.weight"])[1]
    return {"vace_layers": tuple(range(0, layers, layers // count))[:count], "vace_in_channels": seen}


def _patches(shape: Shape) -> tuple[int, int, tuple[int, ...]]:
    """The width, the channels, and the sides of a patch. Some files have the convolution as the product that it is."""
    if len(shape) == 2:
        return shape[0], shape[1] // prod(PATCH), PATCH
    width, channels, *patch = shape
    return width, channels, tuple(patch)


def _transformer_words(config: Mapping[str, Any], file: WeightsFile) -> str:
    channels, out = config["in_channels"], config["out_channels"]
    if "vace_layers" in config:
        what = "for bridges (VACE)"
    elif config["pos_embed_seq_len"] is not None:
        what = "between two keyframes (FLF2V), with CLIP"
    elif config["image_dim"] is not None:
        what = "from a keyframe (I2V), with CLIP"
    elif channels > out:
        what = "from a keyframe or between two (Wan 2.2), one of two experts"
    else:
        what = "from words, and from a keyframe if it is Wan 2.2's 5B" if channels > 16 else "from words (T2V)"
    if ATTENDED_SHARE_KEY in config:
        what += ", with sparse-linear attention (TurboDiffusion)"
    width = config["num_attention_heads"] * config["attention_head_dim"]
    return f"transformer {what}: {config['num_layers']} layers of {width}, {file.precision}"
