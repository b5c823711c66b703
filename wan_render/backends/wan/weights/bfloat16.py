"""Float32 weights that render in bfloat16, converted once on disk: half the bytes to keep, and to read at every start.

Rounded as torch rounds, and the same weights as diffusers and transformers would round when they load: what is
loaded afterwards is the same bit for bit. Needs no torch and little memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from wan_render.errors import Problem, WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = {
    "transformer": frozenset({"rope", "time_embedder", "scale_shift_table", "norm1", "norm2", "norm3"}),
    "transformer_2": frozenset({"rope", "time_embedder", "scale_shift_table", "norm1", "norm2", "norm3"}),
    "text_encoder": frozenset[str](),
}
"""By component that renders in bfloat16: parts of weights' names that stay in float32 there.
Source: `_keep_in_fp32_modules` of diffusers' WanTransformer3DModel; transformers keeps none of UMT5's in bfloat16."""

CHUNK_WEIGHTS = 4 << 20
SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "BOOL": 1}
"""Bytes of one number, by the format's name of its type."""


@dataclass(frozen=True)
class Tensor:
    """One entry of a safetensors header. start, end: of its bytes, after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    def converted(self, kept: frozenset[str]) -> bool:
        """Whether it becomes bfloat16."""
        return self.dtype == "F32" and kept.isdisjoint(self.name.split("."))

    def size(self, kept: frozenset[str]) -> int:
        """Its bytes after conversion."""
        return (self.end - self.start) // (2 if self.converted(kept) else 1)


@dataclass(frozen=True)
class Header:
    """The header of a safetensors file; `data` is where the bytes of its tensors begin."""

    tensors: tuple[Tensor, ...]
    metadata: Any
    data: int

    def shrinks(self, kept: frozenset[str]) -> bool:
        """Whether anything in it becomes bfloat16."""
        return any(tensor.converted(kept) for tensor in self.tensors)

    def bytes_after(self, kept: frozenset[str]) -> int:
        """The size of the converted file, to within the few bytes by which its header changes."""
        return self.data + sum(tensor.size(kept) for tensor in self.tensors)


def read_header(read: Callable[[int], bytes], where: str) -> Header:
    """The header from the first bytes of a file. Raises WeightsError for a file that is no safetensors."""
    try:
        length = int.from_bytes(read(8), "little")
        entries: Any = json.loads(read(length)) if length <= MOST_HEADER_BYTES else None
        metadata = entries.pop("__metadata__", None)
        tensors = tuple(
            Tensor(name, entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
            for name, entry in entries.items()
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise WeightsError(Problem(where, "has no safetensors header")) from None
    return Header(tensors, metadata, 8 + length)


MOST_HEADER_BYTES = 100_000_000
"""The limit of the format's own library."""


def convert(source: Path, target: Path, kept: frozenset[str], check: Callable[[], None]) -> None:
    """Write `source` as `target` with its float32 weights in bfloat16, but for those that are kept.

    `check` is called between chunks and may raise. Raises WeightsError, OSError.
    """
    with source.open("rb") as stream, target.open("wb") as out:
        header = read_header(stream.read, str(source))
        ordered = _ordered(header.tensors, kept)
        _write_header(out, ordered, header.metadata, kept)
        for tensor in ordered:
            stream.seek(header.data + tensor.start)
            _copy(stream, out, tensor, is_rounded=tensor.converted(kept), check=check)


def _ordered(tensors: tuple[Tensor, ...], kept: frozenset[str]) -> list[Tensor]:
    """Wide numbers first, as the format's own library writes: every tensor then begins at a multiple of its width."""

    def place(tensor: Tensor) -> tuple[int, int]:
        return (-(2 if tensor.converted(kept) else SIZES[tensor.dtype]), tensor.start)

    return sorted(tensors, key=place)


def _write_header(out: BinaryIO, ordered: list[Tensor], metadata: Any, kept: frozenset[str]) -> None:
    entries: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    start = 0
    for tensor in ordered:
        end = start + tensor.size(kept)
        dtype = "BF16" if tensor.converted(kept) else tensor.dtype
        entries[tensor.name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    out.write(len(text).to_bytes(8, "little") + text)


def _copy(stream: BinaryIO, out: BinaryIO, tensor: Tensor, *, is_rounded: bool, check: Callable[[], None]) -> None:
    import numpy as np

    left = tensor.end - tensor.start
    while left:
        check()
        chunk = stream.read(min(left, 4 * CHUNK_WEIGHTS))
        if not chunk or (is_rounded and len(chunk) % 4):
            raise WeightsError(Problem(tensor.name, "its bytes end early", remedy="download the model again"))
        out.write(rounded(np.frombuffer(chunk, np.uint32)).data if is_rounded else chunk)
        left -= len(chunk)


def rounded(bits: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """Float32 as bits to bfloat16 as bits: to the nearest, ties to even; any NaN becomes torch's."""
    import numpy as np

    nearest = ((bits + ((bits >> 16) & 1) + np.uint32(0x7FFF)) >> 16).astype(np.uint16)
    nearest[(bits & 0x7FFFFFFF) > 0x7F800000] = 0x7FC0
    return nearest
