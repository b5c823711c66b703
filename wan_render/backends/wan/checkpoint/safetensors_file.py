"""Are a model's safetensors files whole, and of types that are read as plain numbers? No weight is read for that."""

from __future__ import annotations

from pathlib import Path

from wan_render.errors import Problem
from wan_render.safetensors_header import NotSafetensors, read_header

FLOATS_AND_COUNTERS = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "BOOL"})
"""Other types (fp8, packed integers) mean weights that need scales: read as plain numbers they are noise."""

AGAIN = "download the model again"


def safetensors_problem(file: Path) -> Problem | None:
    """What is wrong with the file: truncated, no safetensors, or quantised; None where it is whole."""
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
    """How many numbers the tensors of a whole file hold, by its header."""
    return sum(facts.elements for facts in read_header(file).tensors.values())
