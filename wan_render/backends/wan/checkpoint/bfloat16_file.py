"""Convert safetensors files to bfloat16: half the disk space, and half the bytes to read at every start.

Weights are rounded as torch rounds them, and only those that diffusers and transformers would round when they load. So
the loaded weights are the same bit for bit. Needs no torch and little memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from wan_render.errors import Problem, WeightsError
from wan_render.safetensors_header import BITS, SafetensorsHeader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OF_TRANSFORMERS = frozenset({"rope", "time_embedder", "scale_shift_table", "norm1", "norm2", "norm3"})

KEPT = {"transformer": _OF_TRANSFORMERS, "transformer_2": _OF_TRANSFORMERS, "text_encoder": frozenset[str]()}
"""By component that renders in bfloat16: parts of the names of weights that stay in float32.
Source: `_keep_in_fp32_modules` of diffusers' WanTransformer3DModel; transformers keeps none of UMT5's in bfloat16."""

CHUNK_BYTES = 16 << 20


def kept_in(path: str) -> frozenset[str] | None:
    """The entry of KEPT for a file in a model's folder; None if nothing in it is rounded."""
    return KEPT.get(path.partition("/")[0]) if path.endswith(".safetensors") else None


def rounded_weights(header: SafetensorsHeader, kept: frozenset[str]) -> frozenset[str]:
    """The names of the weights that become bfloat16."""
    found = (name for name, facts in header.tensors.items() if facts.dtype == "F32")
    return frozenset(name for name in found if kept.isdisjoint(name.split(".")))


def bytes_after(header: SafetensorsHeader, rounded: frozenset[str]) -> int:
    """The size of the converted file, except for a few bytes by which its header changes."""
    saved = sum(2 * header.tensors[name].elements for name in rounded)
    return max((end for _, end in header.places.values()), default=0) - saved


def convert(
    source: Path, target: Path, header: SafetensorsHeader, rounded: frozenset[str], check: Callable[[], None]
) -> None:
    """Write `source`, whose header is given, to `target`, with the tensors `rounded` in bfloat16.

    `check` is called between chunks and may raise. Raises WeightsError, OSError.
    """
    dtypes = {name: "BF16" if name in rounded else facts.dtype for name, facts in header.tensors.items()}
    # Wide numbers first, as the format's own library writes: every tensor begins at a multiple of its width.
    names = sorted(dtypes, key=lambda name: (-BITS[dtypes[name]], header.places[name]))
    with source.open("rb") as stream, target.open("wb") as out:
        _write_header(out, header, {name: dtypes[name] for name in names})
        for name in names:
            first, end = header.places[name]
            stream.seek(first)
            _copy(stream, out, end - first, is_rounded=name in rounded, check=check)


def _write_header(out: BinaryIO, header: SafetensorsHeader, dtypes: dict[str, str]) -> None:
    """dtypes: of the tensors, in the order of the file."""
    entries: dict[str, object] = {"__metadata__": header.metadata} if header.metadata else {}
    end = 0
    for name, dtype in dtypes.items():
        facts, start = header.tensors[name], end
        end += facts.elements * BITS[dtype] // 8
        entries[name] = {"dtype": dtype, "shape": facts.shape, "data_offsets": [start, end]}
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    out.write(len(text).to_bytes(8, "little") + text)


def _copy(stream: BinaryIO, out: BinaryIO, left: int, *, is_rounded: bool, check: Callable[[], None]) -> None:
    import numpy as np

    while left:
        check()
        chunk = stream.read(min(left, CHUNK_BYTES))
        if not chunk or (is_rounded and len(chunk) % 4):
            raise WeightsError(Problem(stream.name, "ends early", remedy="download the model again"))
        out.write(rounded(np.frombuffer(chunk, np.uint32)).data if is_rounded else chunk)
        left -= len(chunk)


def rounded(bits: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """Float32 as bits to bfloat16 as bits: to the nearest, ties to even; any NaN becomes torch's."""
    import numpy as np

    nearest = ((bits + ((bits >> 16) & 1) + np.uint32(0x7FFF)) >> 16).astype(np.uint16)
    nearest[(bits & 0x7FFFFFFF) > 0x7F800000] = 0x7FC0
    return nearest
