"""The names of weights in Wan's own files and in ComfyUI's, and where each goes in diffusers' layout.

A rule maps a name to the names that it becomes; most become one, and a product of query, key and value becomes three
equal parts. A name without a rule is not guessed.

Sources: the modules `wan/modules/{model,t5,clip,vae}.py` of Wan-Video/Wan2.1 and `vae2_2.py` of Wan2.2, whose attribute
names are the names in the files; `scripts/convert_wan_to_diffusers.py` of diffusers; `load_clip_vision` and
`t5.py` of ComfyUI, which keeps transformers' names; `inference/modify_model.py` of thu-ml/TurboDiffusion.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wan_render.backends.wan.lora.lora_names import layer_name
from wan_render.backends.wan.models.transformer_shapes import SPARSE_LINEAR_LAYER

Rule = Callable[[str], tuple[str, ...]]
"""The names that a weight becomes. Several: it is cut into equal parts along its first side. (): it is not needed."""

UNKNOWN = ("?",)
"""What a rule gives for a name that it does not know."""

_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.", "net.")

_KIND = re.compile(r"\.(weight|bias)$")


def without_prefix(name: str) -> str:
    """A transformer's weight without the prefix that a whole ComfyUI checkpoint puts before it."""
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)


def transformer_name(name: str) -> tuple[str, ...]:
    """Wan's transformer → diffusers' WanTransformer3DModel. Names of diffusers stay as they are."""
    name = without_prefix(name)
    if name == "img_emb.emb_pos":
        return ("condition_embedder.image_embedder.pos_embed",)
    if match := _SPARSE_LINEAR.match(name):
        return (f"{match[1]}.{SPARSE_LINEAR_LAYER}.project.{match[2]}",)
    if name.startswith(_VACE):
        return tuple(f"vace_{each}" for each in transformer_name(_of_vace(name)))
    kind = _KIND.search(name)
    if kind is None:  # a table, such as `blocks.0.modulation`
        return (layer_name(name),)
    return (layer_name(name[: kind.start()]) + kind[0],)


_SPARSE_LINEAR = re.compile(r"(blocks\.\d+)\.(?:self_attn|attn1)\.attn_op\.local_attn\.proj_l\.(weight|bias)$")
_VACE = "vace_blocks."
_VACE_PROJECTIONS = {"before_proj": "proj_in", "after_proj": "proj_out"}


def _of_vace(name: str) -> str:
    """A weight of a second block of VACE as if it were one of a block: they are built alike, but for projections."""
    for own, theirs in _VACE_PROJECTIONS.items():
        name = name.replace(own, theirs)
    return name.removeprefix("vace_")


_T5_OF_BLOCKS = {
    "norm1.weight": "layer.0.layer_norm.weight",
    **{f"attn.{part}.weight": f"layer.0.SelfAttention.{part}.weight" for part in "qkvo"},
    "pos_embedding.embedding.weight": "layer.0.SelfAttention.relative_attention_bias.weight",
    "norm2.weight": "layer.1.layer_norm.weight",
    "ffn.gate.0.weight": "layer.1.DenseReluDense.wi_0.weight",
    "ffn.fc1.weight": "layer.1.DenseReluDense.wi_1.weight",
    "ffn.fc2.weight": "layer.1.DenseReluDense.wo.weight",
}
_T5_OUTSIDE = {"token_embedding.weight": "shared.weight", "norm.weight": "encoder.final_layer_norm.weight"}
_T5_OF_LLAMA = {
    "attn_norm": "layer.0.layer_norm",
    **{f"attn_{part}": f"layer.0.SelfAttention.{part}" for part in "qkvo"},
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "ffn_norm": "layer.1.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
}
"""llama.cpp's names, which GGUF files of text encoders have. Source: `MODEL_TENSOR.ENC_…` of the package gguf."""
_T5_OUTSIDE_LLAMA = {"token_embd.weight": "shared.weight", "enc.output_norm.weight": "encoder.final_layer_norm.weight"}
_T5_COPY = "encoder.embed_tokens.weight"
"""ComfyUI's files may have the embeddings under this name too. transformers ties it to `shared.weight`."""


def text_encoder_name(name: str) -> tuple[str, ...]:
    """Wan's UMT5 → transformers' UMT5EncoderModel. Names of transformers stay as they are."""
    if name == _T5_COPY:
        return ()
    if name == "shared.weight" or name.startswith("encoder."):
        return (name,)
    if match := re.match(r"blocks\.(\d+)\.(.+)$", name):
        known = _T5_OF_BLOCKS.get(match[2])
        return (f"encoder.block.{match[1]}.{known}",) if known else UNKNOWN
    if match := re.match(r"enc\.blk\.(\d+)\.(\w+)\.weight$", name):
        known = _T5_OF_LLAMA.get(match[2])
        return (f"encoder.block.{match[1]}.{known}.weight",) if known else UNKNOWN
    outside = _T5_OUTSIDE | _T5_OUTSIDE_LLAMA
    return (outside[name],) if name in outside else UNKNOWN


_CLIP_OUTSIDE = {
    "cls_embedding": "embeddings.class_embedding",
    "pos_embedding": "embeddings.position_embedding.weight",
    "patch_embedding.weight": "embeddings.patch_embedding.weight",
    **{f"pre_norm.{kind}": f"pre_layrnorm.{kind}" for kind in ("weight", "bias")},
    **{f"post_norm.{kind}": f"post_layernorm.{kind}" for kind in ("weight", "bias")},
}
_CLIP_OF_BLOCKS = {
    "norm1": ("layer_norm1",),
    "norm2": ("layer_norm2",),
    "attn.to_qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attn.proj": ("self_attn.out_proj",),
    "mlp.0": ("mlp.fc1",),
    "mlp.2": ("mlp.fc2",),
}
_CLIP_UNUSED = ("textual.", "visual.head", "visual_projection.", "text_projection.", "log_scale", "logit_scale")
"""Wan's file has CLIP's texts as well, and both have its last projection. Wan uses neither."""
_CLIP_COPIES = ("position_ids",)


def image_encoder_name(name: str) -> tuple[str, ...]:
    """Wan's CLIP → transformers' CLIPVisionModel. Names of transformers lose their first word, `vision_model`."""
    if name.startswith(_CLIP_UNUSED) or name.endswith(_CLIP_COPIES):
        return ()
    if name.startswith("vision_model."):
        return (name.removeprefix("vision_model."),)
    if name.startswith(("embeddings.", "encoder.layers.", "pre_layrnorm.", "post_layernorm.")):
        return (name,)
    inner = name.removeprefix("visual.")
    if match := re.match(r"transformer\.(\d+)\.(.+)\.(weight|bias)$", inner):
        known = _CLIP_OF_BLOCKS.get(match[2], ())
        return tuple(f"encoder.layers.{match[1]}.{each}.{match[3]}" for each in known) or UNKNOWN
    return (_CLIP_OUTSIDE[inner],) if inner in _CLIP_OUTSIDE else UNKNOWN


_RESNET = {
    "residual.0.gamma": "norm1.gamma",
    "residual.2.weight": "conv1.weight",
    "residual.2.bias": "conv1.bias",
    "residual.3.gamma": "norm2.gamma",
    "residual.6.weight": "conv2.weight",
    "residual.6.bias": "conv2.bias",
    "shortcut.weight": "conv_shortcut.weight",
    "shortcut.bias": "conv_shortcut.bias",
}
_VAE_MIDDLE = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
_VAE_ENDS = {"conv1": "quant_conv", "conv2": "post_quant_conv"}
_VAE_HEADS = {"conv1": "conv_in", "head.0": "norm_out", "head.2": "conv_out"}


def vae_name(name: str, blocks: int) -> tuple[str, ...]:
    """Wan's VAE → diffusers' AutoencoderKLWan. blocks: residual blocks of a level of the encoder; a level of the
    decoder has one more. Names of diffusers stay as they are."""
    side, _, inner = name.partition(".")
    if side in _VAE_ENDS:
        return (f"{_VAE_ENDS[side]}.{inner}",)
    if side not in ("encoder", "decoder"):
        return (name,) if side in _VAE_ENDS.values() else UNKNOWN
    for own, theirs in _VAE_HEADS.items():
        if inner.startswith(f"{own}."):
            return (f"{side}.{theirs}{inner.removeprefix(own)}",)
    if match := re.match(r"middle\.([012])\.(.+)$", inner):
        rest = match[2] if match[1] == "1" else _RESNET.get(match[2])
        return (f"{side}.mid_block.{_VAE_MIDDLE[match[1]]}.{rest}",) if rest else UNKNOWN
    if match := re.match(r"(down|up)samples\.(\d+)\.(down|up)samples\.(\d+)\.(.+)$", inner):
        return _residual_level(side, int(match[2]), int(match[4]), match[5], blocks)
    if match := re.match(r"downsamples\.(\d+)\.(.+)$", inner):
        return (f"encoder.down_blocks.{match[1]}.{_RESNET.get(match[2], match[2])}",)
    if match := re.match(r"upsamples\.(\d+)\.(.+)$", inner):
        return (_up_block(int(match[1]), match[2], blocks + 1),)
    return (name,) if re.match(r"(mid_block|down_blocks|up_blocks|conv_in|norm_out|conv_out)\.", inner) else UNKNOWN


def _up_block(place: int, rest: str, resnets: int) -> str:
    """Wan 2.1 has one list: the residual blocks of each level, then its upsampler."""
    level, within = divmod(place, resnets + 1)
    part = f"resnets.{within}" if within < resnets else "upsamplers.0"
    return f"decoder.up_blocks.{level}.{part}.{_RESNET.get(rest, rest)}"


def _residual_level(side: str, level: int, within: int, rest: str, blocks: int) -> tuple[str, ...]:
    """Wan 2.2 has a list for each level."""
    resnets = blocks if side == "encoder" else blocks + 1
    sampler = "downsampler" if side == "encoder" else "upsampler"
    part = f"resnets.{within}" if within < resnets else sampler
    room = "down_blocks" if side == "encoder" else "up_blocks"
    return (f"{side}.{room}.{level}.{part}.{_RESNET.get(rest, rest)}",)
