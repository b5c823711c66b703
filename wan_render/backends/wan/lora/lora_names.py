"""The names of a LoRA's tensors, and the layer of a transformer that each belongs to.

These conventions are in use, alone and mixed:
- Wan's own: `diffusion_model.blocks.0.self_attn.q.lora_down.weight`
- diffusers' and peft's: `transformer.blocks.0.attn1.to_q.lora_A.default.weight`
- Kohya's, musubi's, Wan-Fun's, with underscores for dots: `lora_unet_blocks_0_self_attn_q.alpha`, `lora_unet__blocks_…`
- LyCORIS': `lycoris_blocks_0_…`; OneTrainer's: `lora_transformer_blocks_0_attn1_to_q…`

Trainers of Wan 2.2 save both experts in one file as `transformer.` and `transformer_2.`, as `diffusion_model.` and
`diffusion_model_2.`, or as `diffusion_model.transformer_1.` and `diffusion_model.transformer_2.`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HIGH, LOW = "high", "low"
"""The experts: for high noise, `transformer` in a checkpoint, and for low noise, `transformer_2`."""

_DOTTED = {
    "base_model.model.": "",
    "model.": "",
    "diffusion_model.": "",
    "diffusion_model_2.": LOW,
    "pipe.dit.": "",
    "pipe.dit2.": LOW,
    "transformer.": "",
    "transformer_1.": HIGH,
    "transformer_2.": LOW,
    "lora_transformer.": "",
    "lora_transformer_2.": LOW,
}
_UNDERSCORED = {
    "lora_unet__": "",
    "lora_unet_": "",
    "lycoris_": "",
    "lora_transformer_2_": LOW,
    "lora_transformer_": "",
}
"""Prefixes, and the expert that each names. A longer prefix comes before a shorter one that it begins with."""

_OF_BLOCKS = {
    **{f"self_attn.{part}": f"attn1.to_{part}" for part in "qkv"},
    "self_attn.o": "attn1.to_out.0",
    "self_attn.norm_q": "attn1.norm_q",
    "self_attn.norm_k": "attn1.norm_k",
    **{f"cross_attn.{part}": f"attn2.to_{part}" for part in "qkv"},
    "cross_attn.o": "attn2.to_out.0",
    "cross_attn.norm_q": "attn2.norm_q",
    "cross_attn.norm_k": "attn2.norm_k",
    "cross_attn.k_img": "attn2.add_k_proj",
    "cross_attn.v_img": "attn2.add_v_proj",
    "cross_attn.norm_k_img": "attn2.norm_added_k",
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
    "norm3": "norm2",
    "modulation": "scale_shift_table",
}
_OUTSIDE_BLOCKS = {
    "patch_embedding": "patch_embedding",
    "head.head": "proj_out",
    "head.modulation": "scale_shift_table",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "img_emb.proj.0": "condition_embedder.image_embedder.norm1",
    "img_emb.proj.1": "condition_embedder.image_embedder.ff.net.0.proj",
    "img_emb.proj.3": "condition_embedder.image_embedder.ff.net.2",
    "img_emb.proj.4": "condition_embedder.image_embedder.norm2",
}
"""Wan's own names and diffusers', as `scripts/convert_wan_to_diffusers.py` of diffusers has them."""

_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)$")
_FLAT_BLOCK = re.compile(r"blocks_(\d+)_(.+)$")


def _flattened(names: dict[str, str]) -> dict[str, str]:
    """diffusers' names, by Wan's and by diffusers' names with underscores for dots."""
    return {own.replace(".", "_"): theirs for pair in names.items() for own, theirs in (pair, (pair[1], pair[1]))}


_FLAT_OF_BLOCKS, _FLAT_OUTSIDE = _flattened(_OF_BLOCKS), _flattened(_OUTSIDE_BLOCKS)

_SUFFIX = re.compile(
    r"\.(?:(?P<down>(?:lora_A|lora_down)(?:\.default)?\.weight)|(?P<up>(?:lora_B|lora_up)(?:\.default)?\.weight)"
    r"|(?P<up_bias>lora_B(?:\.default)?\.bias)|(?P<alpha>alpha)|(?P<diff_b>diff_b)|(?P<diff_m>diff_m)|(?P<diff>diff))$"
)


@dataclass(frozen=True)
class TensorPlace:
    """What a tensor is for.

    expert: `high` or `low` if its prefix names one, else "".
    layer:  its name in diffusers' transformer. An unknown name is left as it is.
    role:   down, up, alpha, diff, diff_b, diff_m or up_bias.
    """

    expert: str
    layer: str
    role: str


def place_of(key: str) -> TensorPlace | None:
    """What a tensor of this name is for; None if it is not part of a LoRA."""
    match = _SUFFIX.search(key)
    if match is None or match.lastgroup is None:
        return None
    expert, name = _without_prefixes(key[: match.start()])
    layer, role = layer_name(name), match.lastgroup
    if role == "diff_m":  # a table of a block or of the head, which is not in a module of its own
        layer = "scale_shift_table" if layer == "head" else f"{layer}.scale_shift_table".removeprefix(".")
    return TensorPlace(expert, layer, role)


def _without_prefixes(name: str) -> tuple[str, str]:
    """The expert that prefixes name, and the rest of the name with dots."""
    expert = ""
    while prefix := next((prefix for prefix in _DOTTED if name.startswith(prefix)), ""):
        expert, name = _DOTTED[prefix] or expert, name.removeprefix(prefix)
    for prefix, named in _UNDERSCORED.items():
        if name.startswith(prefix):
            return named or expert, _with_dots(name.removeprefix(prefix).replace(".", "_"))
    return expert, name


def _with_dots(name: str) -> str:
    """diffusers' name of a layer with underscores for dots. An unknown name is left as it is."""
    if match := _FLAT_BLOCK.match(name):
        layer = _FLAT_OF_BLOCKS.get(match[2])
        return f"blocks.{match[1]}.{layer}" if layer else name
    return _FLAT_OUTSIDE.get(name, name)


def layer_name(name: str) -> str:
    """diffusers' name of a layer that has dots. An unknown name is left as it is."""
    if match := _BLOCK.match(name):
        return f"blocks.{match[1]}.{_OF_BLOCKS.get(match[2], match[2])}"
    return _OUTSIDE_BLOCKS.get(name, name)
