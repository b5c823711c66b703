"""The hubs that weights come from: an explicit list, one line each."""

from __future__ import annotations

from collections.abc import Callable

from wan_render.backends.wan.weights.hub import Hub
from wan_render.backends.wan.weights.hugging_face import HuggingFace
from wan_render.backends.wan.weights.modelscope import ModelScope
from wan_render.errors import Problem, UsageError
from wan_render.printable import shown

SOURCES: dict[str, Callable[[], Hub]] = {
    "huggingface": HuggingFace,
    "modelscope": ModelScope,
}


def hub(source: str) -> Hub:
    """The hub of that name. Raises UsageError for an unknown one."""
    if source not in SOURCES:
        raise UsageError(Problem("--source", f"unknown source {shown(source)}", f"allowed: {', '.join(SOURCES)}"))
    return SOURCES[source]()
