"""Where Triton's kernels can be run: on a GPU, or where there is none in Triton's interpreter.

Triton reads TRITON_INTERPRET when a kernel is defined, its own when it is imported, and importing diffusers imports it.
So it is imported a second time for the tests of the kernels, and the first is put back behind them: no other test meets
the interpreter, nor does a process that one starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch

from wan_render.backends.wan import kernels

IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1" or not torch.cuda.is_available()
"""Asked for, it is so on a GPU's machine too."""

DEVICE = torch.device("cpu" if IS_INTERPRETED else "cuda")

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs triton, which is published for Linux")

KERNELS = ("triton_blocks", "triton_decoder", "triton_kernels", "triton_operations")


_interpreter: dict[str, ModuleType] = {}
"""Kept from test to test: Triton's compiled part, of which a process has one, remembers classes of the other."""


@contextmanager
def interpreted() -> Iterator[None]:
    """Triton and the kernels are those of the interpreter meanwhile; no process may be started."""
    others = _taken()
    sys.modules.update(_interpreter)
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("TRITON_INTERPRET", "1")
            yield
    finally:
        _interpreter.update(_taken())
        sys.modules.update(others)


def _taken() -> dict[str, ModuleType]:
    """Their modules, of which Python then knows nothing, except Triton's compiled ones."""
    for name in KERNELS:
        vars(kernels).pop(name, None)
    return {name: sys.modules.pop(name) for name in list(sys.modules) if _is_theirs(name)}


def _is_theirs(name: str) -> bool:
    is_kernels = name in [f"{kernels.__name__}.{kernel}" for kernel in KERNELS]
    return is_kernels or (f"{name}.".startswith("triton.") and not f"{name}.".startswith("triton._C."))
