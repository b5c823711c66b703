"""Whether a model's safetensors files are complete and hold plain numbers. Reads headers, not weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from wan_render.errors import Problem
from wan_render.safetensors_header import NotSafetensors, read_header

FLOATS_AND_COUNTERS = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "BOOL"})
"""The supported types. Others (fp8, packed integers) need scales; read as plain numbers they would be noise."""

AGAIN = "download the model again"


def safetensors_problem(file: Path) -> Problem | None:
    """The fault of a file: unreadable, truncated, not safetensors, or quantised. None if it has none."""
    try:
        header = read_header(file)
    except OSError as fault:
        return Problem(str(file), f"cannot be read: {fault.strerror}", remedy=AGAIN)
    except NotSafetensors as fault:
        return Problem(str(file), fault.found, fault.allowed, AGAIN)
    if strange := {facts.dtype for facts in header.tensors.values()} - FLOATS_AND_COUNTERS:
        return Problem(
            str(file), f"holds {', '.join(sorted(strange))} weights", "allowed: float32, float16 and bfloat16 weights"
        )
    return None


def element_count(file: Path) -> int:
    """How many numbers a complete file holds, from its header."""
    return element_counts(file).total()


def element_counts(file: Path) -> Counter[str]:
    """The same, of each of the types."""
    found = Counter[str]()
    for facts in read_header(file).tensors.values():
        found[facts.dtype] += facts.elements
    return found
