"""A LoRA's file as changes of a transformer's weights, whatever names it was saved under.

Three ways of naming are in use: Wan's own (`diffusion_model.blocks.0.self_attn.q.lora_down.weight`), diffusers'
(`transformer.blocks.0.attn1.to_q.lora_A.weight`) and Kohya's (`lora_unet_blocks_0_self_attn_q.lora_down.weight`).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from wan_render.errors import Problem, WeightsError

_PREFIXES = ("base_model.model.", "diffusion_model.", "transformer.", "transformer_2.", "model.")
_KOHYA = "lora_unet_"

_OWN_NAMES = (
    (r"self_attn\.([qkv])$", r"attn1.to_\1"),
    (r"self_attn\.o$", "attn1.to_out.0"),
    (r"self_attn\.norm_([qk])$", r"attn1.norm_\1"),
    (r"cross_attn\.([qkv])$", r"attn2.to_\1"),
    (r"cross_attn\.o$", "attn2.to_out.0"),
    (r"cross_attn\.([kv])_img$", r"attn2.add_\1_proj"),
    (r"cross_attn\.norm_k_img$", "attn2.norm_added_k"),
    (r"cross_attn\.norm_([qk])$", r"attn2.norm_\1"),
    (r"\.ffn\.0$", ".ffn.net.0.proj"),
    (r"\.ffn\.2$", ".ffn.net.2"),
    (r"\.norm3$", ".norm2"),
    (r"^head\.head$", "proj_out"),
    (r"^head$", ""),
    (r"^text_embedding\.0$", "condition_embedder.text_embedder.linear_1"),
    (r"^text_embedding\.2$", "condition_embedder.text_embedder.linear_2"),
    (r"^time_embedding\.0$", "condition_embedder.time_embedder.linear_1"),
    (r"^time_embedding\.2$", "condition_embedder.time_embedder.linear_2"),
    (r"^time_projection\.1$", "condition_embedder.time_proj"),
    (r"^img_emb\.proj\.0$", "condition_embedder.image_embedder.norm1"),
    (r"^img_emb\.proj\.1$", "condition_embedder.image_embedder.ff.net.0.proj"),
    (r"^img_emb\.proj\.3$", "condition_embedder.image_embedder.ff.net.2"),
    (r"^img_emb\.proj\.4$", "condition_embedder.image_embedder.norm2"),
)
"""Modules by Wan's own names, and by diffusers': the way of diffusers' script that converts checkpoints."""

_SUFFIX = re.compile(
    r"\.(?:(?P<down>(?:lora_A|lora_down)(?:\.default)?\.weight)|(?P<up>(?:lora_B|lora_up)(?:\.default)?\.weight)"
    r"|(?P<up_bias>lora_B(?:\.default)?\.bias)|(?P<alpha>alpha)|(?P<diff_b>diff_b)|(?P<diff_m>diff_m)|(?P<diff>diff))$"
)
_KOHYA_PARTS = re.compile(
    r"blocks_(?P<block>\d+)_(?P<part>self_attn|cross_attn|ffn)_(?P<layer>norm_k_img|norm_[qk]|[kv]_img|[qkvo]|[02])$"
)


@dataclass(frozen=True)
class Product:
    """A change of a matrix by scale · up @ down; down is (rank, in), up (out, rank)."""

    down: torch.Tensor
    up: torch.Tensor
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the matrix; a convolution's kernels are flattened."""
        return self.up.shape[0], self.down.shape[1]

    def fits(self, weight: torch.Tensor) -> bool:
        """Whether it can be added to a weight."""
        return weight.dim() >= 2 and tuple(weight.flatten(1).shape) == self.shape

    def delta(self, device: torch.device) -> torch.Tensor:
        """The change at strength 1, float32, on the device."""
        return self.scale * (self.up.to(device, torch.float32) @ self.down.to(device, torch.float32))


@dataclass(frozen=True)
class Difference:
    """A change that is added as it is, to a bias, a norm or a table."""

    value: torch.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight; a table may have further dimensions of 1."""
        return tuple(self.value.shape)

    def fits(self, weight: torch.Tensor) -> bool:
        """Whether it can be added to a weight."""
        return tuple(self.value.squeeze().shape) == tuple(weight.squeeze().shape)

    def delta(self, device: torch.device) -> torch.Tensor:
        """The change at strength 1, float32, on the device."""
        return self.value.to(device, torch.float32)


Change = Product | Difference


def read_changes(file: Path) -> dict[str, Change]:
    """Every change by the name of the weight that it changes, as diffusers' transformer calls it.

    Raises WeightsError for what is no LoRA, or is one of a kind that would be applied wrongly.
    """
    parts: defaultdict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    with safe_open(str(file), framework="pt") as opened:
        metadata = opened.metadata() or {}
        for key in opened.keys():  # noqa: SIM118 - a reader, not a mapping
            module, part = _place(file, key)
            parts[module][part] = opened.get_tensor(key)
    scale = _declared_scale(file, metadata)
    changes = {name: change for module, tensors in parts.items() for name, change in _of(file, module, tensors, scale)}
    if not changes:
        raise _refused(file, "holds no LoRA")
    return changes


def _place(file: Path, key: str) -> tuple[str, str]:
    """The module in diffusers' names, and which part of its change a tensor is."""
    match = _SUFFIX.search(key)
    if match is None or match.lastgroup is None:
        raise _refused(file, f"holds '{key}', which is no part of a LoRA that is known here")
    return _module(key[: match.start()]), match.lastgroup


def _module(name: str) -> str:
    if name.startswith(_KOHYA):
        name = _from_kohya(name.removeprefix(_KOHYA))
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    for own, theirs in _OWN_NAMES:
        name = re.sub(own, theirs, name)
    return name


def _from_kohya(name: str) -> str:
    """Dots where they were before underscores took their places; a name that is not one of a block stays as it is."""
    match = _KOHYA_PARTS.match(name)
    return f"blocks.{match['block']}.{match['part']}.{match['layer']}" if match else name


def _of(
    file: Path, module: str, tensors: Mapping[str, torch.Tensor], declared: float | None
) -> Iterator[tuple[str, Change]]:
    """The changes of one module."""
    if ("down" in tensors) != ("up" in tensors):
        raise _refused(file, f"has half of the change of {module}")
    if {"down", "diff"} <= tensors.keys():
        raise _refused(file, f"changes {module} in two ways")
    if "down" in tensors:
        down, up = tensors["down"], tensors["up"]
        if down.dim() != 2 or up.dim() != 2 or down.shape[0] != up.shape[1]:
            raise _refused(file, f"changes {module} by {tuple(up.shape)} times {tuple(down.shape)}")
        rank = down.shape[0]
        scale = float(tensors["alpha"]) / rank if "alpha" in tensors else declared or 1.0
        yield f"{module}.weight", Product(down, up, scale)
    elif "diff" in tensors:
        yield f"{module}.weight", Difference(tensors["diff"])
    for part in ("diff_b", "up_bias"):
        if part in tensors:
            yield f"{module}.bias", Difference(tensors[part])
    if "diff_m" in tensors:
        yield f"{module}.scale_shift_table".removeprefix("."), Difference(tensors["diff_m"])


def _declared_scale(file: Path, metadata: Mapping[str, str]) -> float | None:
    """alpha / rank, where the file's metadata declare them as diffusers saves them."""
    text = metadata.get("lora_adapter_metadata")
    if text is None:
        return None
    told: dict[str, Any] = json.loads(text)
    settings = {key.rpartition(".")[2]: value for key, value in told.items()}
    for name in ("use_dora", "use_rslora", "alpha_pattern", "rank_pattern"):
        if settings.get(name):
            raise _refused(file, f"declares {name}")
    alpha, rank = settings.get("lora_alpha"), settings.get("r")
    return float(alpha) / float(rank) if alpha and rank else None


def _refused(file: Path, found: str) -> WeightsError:
    return WeightsError(Problem(str(file), found, "a LoRA of a Wan transformer is expected", "use another file"))
