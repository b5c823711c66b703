"""LoRA files as trainers and hubs publish them, written byte by byte: headers are real, numbers are zeros."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "U8": 1, "I8": 1}
RANK = 1

Shapes = Mapping[str, tuple[int, ...]]


def entries(tensors: Shapes, dtype: str = "BF16") -> dict[str, Any]:
    """The header of tensors that follow each other."""
    header, end = {}, 0
    for name, shape in tensors.items():
        start, end = end, end + prod(shape) * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    return header


def written(file: Path, header: object, size: int | None = None) -> str:
    """A safetensors file with this header, and zeros for `size` bytes, or as many as it asks for. Its SHA-256."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    if size is None and isinstance(header, dict):
        size = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size or 0))
    return sha256(file.read_bytes()).hexdigest()


def pair(stem: str, width: int, names: tuple[str, str] = ("lora_down", "lora_up"), rank: int = RANK) -> Shapes:
    """The two matrices of a square layer. stem: with its prefix."""
    return {f"{stem}.{names[0]}.weight": (rank, width), f"{stem}.{names[1]}.weight": (width, rank)}


def square(
    width: int, layers: Iterable[str] = ("self_attn.q",), blocks: int = 1, prefix: str = "diffusion_model."
) -> Shapes:
    """Square layers of the first blocks, in Wan's own names."""
    stems = [f"{prefix}blocks.{block}.{layer}" for block in range(blocks) for layer in layers]
    return {name: shape for stem in stems for name, shape in pair(stem, width).items()}


def lora(file: Path, width: int = 5120, layer: str = "self_attn.q") -> str:
    """A LoRA of one layer of a model so wide. Its SHA-256."""
    return written(file, entries(square(width, (layer,))))
