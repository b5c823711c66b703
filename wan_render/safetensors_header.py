"""The contents of a safetensors file, by its header alone: no tensor is read, and no library is needed.

The checks are at least as strict as those of the format's own library, so a file that passes here also opens there.
Rules: `Metadata::validate` in https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from operator import mul
from pathlib import Path
from typing import Any, NoReturn

MOST_HEADER_BYTES = 100_000_000
"""The limit of the format's own library."""

MOST_ELEMENTS = 2**63 - 1
"""The largest product of a shape's sides; the library counts in 64 bits."""

BITS = {
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Bits of one element, by the format's element type."""

_METADATA = "__metadata__"


class NotSafetensors(ValueError):  # noqa: N818 - callers turn it into an error with a place
    """A file that is not a complete safetensors file. `found` says why; it is written to follow the file's name.

    names: the names of its tensors, as far as the header could be read.
    """

    def __init__(self, found: str, allowed: str = "") -> None:
        super().__init__(found, allowed)
        self.found, self.allowed = found, allowed
        self.names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TensorFacts:
    """One tensor of a file: a type of `BITS`, and its shape. A scalar has the shape ()."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True)
class SafetensorsHeader:
    """The tensors of a file, by name, and its free-form metadata.

    places: by name, where the bytes of a tensor begin and end in the file.
    """

    tensors: Mapping[str, TensorFacts]
    metadata: Mapping[str, str]
    places: Mapping[str, tuple[int, int]]


def read_header(file: Path) -> SafetensorsHeader:
    """Read and check a file's header. Raises NotSafetensors, or OSError if the file cannot be read."""
    with file.open("rb") as stream:
        return header_from(stream.read, os.fstat(stream.fileno()).st_size)


def header_from(read: Callable[[int], bytes], size: int) -> SafetensorsHeader:
    """The header of a file of `size` bytes, from its beginning. `read` returns the next bytes, up to a count.

    Raises NotSafetensors, and what `read` raises.
    """
    length = int.from_bytes(read(8), "little")
    if size < 8 or length > min(size - 8, MOST_HEADER_BYTES):
        found = f"is not a safetensors file, or is cut off: it has {size:,} bytes"
        raise NotSafetensors(found, f"its header needs {8 + length:,}")
    value = _parsed(read(length))
    try:
        metadata = _metadata(value.pop(_METADATA, None))
        placed, end = _tensors(value)
    except NotSafetensors as fault:
        fault.names = tuple(value)
        raise
    data = 8 + length
    if size != data + end:
        raise NotSafetensors(
            f"is cut off, or longer than its header says: it has {size:,} bytes",
            f"its header needs {data + end:,}",
        )
    return SafetensorsHeader(
        {name: facts for name, (_, _, facts) in placed.items()},
        metadata,
        {name: (data + start, data + stop) for name, (start, stop, _) in placed.items()},
    )


def quoted(name: str) -> str:
    """A name from a file, for a message: in quotes, on one line, printable, at most 100 characters."""
    return repr(name if len(name) <= 100 else f"{name[:100]}…")


def shortened_name(name: str) -> str:
    """As `quoted`, without the quotes: for a name derived from one in a file."""
    return quoted(name)[1:-1]


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            text.decode(),
            object_pairs_hook=_without_duplicates,
            parse_int=_whole,
            parse_float=_refused,
            parse_constant=_refused,
        )
    except NotSafetensors:
        raise
    except (ValueError, RecursionError):
        raise NotSafetensors("is not a safetensors file: its header is not JSON") from None
    if not isinstance(value, dict) or not text.startswith(b"{"):
        raise NotSafetensors("is not a safetensors file: its header is not a JSON object")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, each in pairs:
        name.encode()  # ValueError for half a surrogate pair
        if isinstance(each, str):
            each.encode()
        if name in value:
            raise NotSafetensors(f"has a broken header: it contains {quoted(name)} twice")
        value[name] = each
    return value


def _whole(number: str) -> int:
    if number.startswith("-") or len(number) > len(str(MOST_ELEMENTS)):
        _refused(number)
    return int(number)


def _refused(number: str) -> NoReturn:
    """Refuse a number that is negative, a fraction, infinite, NaN, or longer than 64 bits."""
    raise NotSafetensors(f"has a broken header: {number[:40]} is not a whole number from 0 to 2**63 - 1")


def _metadata(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise NotSafetensors("has a broken header: its metadata is not text")
    return value


def _tensors(value: dict[str, Any]) -> tuple[dict[str, tuple[int, int, TensorFacts]], int]:
    """Every tensor as `_tensor` gives it, and where the last one ends. Tensors follow each other without gaps."""
    found = {name: _tensor(name, entry) for name, entry in value.items()}
    end = 0
    for name, (start, stop, _) in sorted(found.items(), key=lambda named: named[1][:2]):
        if start != end:
            raise NotSafetensors(f"has a broken header: {quoted(name)} begins at byte {start:,}, not at {end:,}")
        end = stop
    return found, end


def _tensor(name: str, entry: Any) -> tuple[int, int, TensorFacts]:
    """Where a tensor begins and ends, in bytes after the header, and what it is."""
    try:
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (KeyError, TypeError):
        found = f"is not a safetensors file: {quoted(name)} has no dtype, shape or data_offsets in its header"
        raise NotSafetensors(found) from None
    if not isinstance(dtype, str) or dtype not in BITS:
        raise NotSafetensors(f"has a broken header: {quoted(name)} has the unknown type {str(dtype)[:40]!r}")
    if not _are_counts(shape) or any(product > MOST_ELEMENTS for product in accumulate(shape, mul)):
        raise NotSafetensors(f"has a broken header: {quoted(name)} has the shape {str(shape)[:60]}")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise NotSafetensors(f"has a broken header: {quoted(name)} has the offsets {str(offsets)[:60]}")
    start, stop = offsets
    facts = TensorFacts(dtype, tuple(shape))
    if (stop - start) * 8 != facts.elements * BITS[dtype]:
        raise NotSafetensors(
            f"has a broken header: {quoted(name)} takes {stop - start:,} bytes",
            f"{dtype} of the shape {list(shape)} takes {facts.elements * BITS[dtype] / 8:,g}",
        )
    return start, stop, facts


def _are_counts(value: Any) -> bool:
    """Whether it is a list of whole numbers from 0 to 2**63 - 1. A bool does not count as a number."""
    return isinstance(value, list) and all(type(each) is int and 0 <= each <= MOST_ELEMENTS for each in value)
