"""Is a safetensors file whole? Its header says how long it must be; no weight is read for that."""

from __future__ import annotations

import json
import os
from math import prod
from pathlib import Path
from typing import Any

from wan_render.errors import Problem

MOST_HEADER_BYTES = 100_000_000
"""The limit of the format's own library."""

FLOATS_AND_COUNTERS = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "BOOL"})
"""Other types (fp8, packed integers) mean weights that need scales: read as plain numbers they are noise."""

AGAIN = "download the model again"


def safetensors_problem(file: Path) -> Problem | None:
    """What is wrong with the file: truncated, no safetensors, or quantised; None where it is whole."""
    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, MOST_HEADER_BYTES):
                return _truncated(file, size, 8 + length)
            header = json.loads(stream.read(length))
    except OSError as fault:
        return Problem(str(file), f"cannot be read: {fault.strerror}", remedy=AGAIN)
    except (ValueError, RecursionError):
        return Problem(str(file), "has no safetensors header", remedy=AGAIN)
    return _header_problem(file, header, size, 8 + length)


def element_count(file: Path) -> int:
    """How many numbers the tensors of a whole file hold, by its header."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def _header_problem(file: Path, header: Any, size: int, data_start: int) -> Problem | None:
    try:
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        ends = [int(entry["data_offsets"][1]) for entry in tensors]
        types = {str(entry["dtype"]) for entry in tensors}
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return Problem(str(file), "has no safetensors header", remedy=AGAIN)
    expected = data_start + max(ends, default=0)
    if size != expected:
        return _truncated(file, size, expected)
    if strange := types - FLOATS_AND_COUNTERS:
        return Problem(
            str(file), f"holds {', '.join(sorted(strange))} weights", "allowed: float32, float16 and bfloat16 weights"
        )
    return None


def _truncated(file: Path, size: int, expected: int) -> Problem:
    return Problem(str(file), f"has {size:,} bytes", f"its header asks for {expected:,}", AGAIN)
