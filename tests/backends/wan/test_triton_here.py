"""The tests of the kernels leave nothing behind them in the process that runs them."""

from __future__ import annotations

import os
from importlib import import_module

import pytest

from tests.backends.wan.triton_here import interpreted, needs_triton

pytestmark = [pytest.mark.wan, needs_triton]


NAMES = ("triton", "triton.language", "wan_render.backends.wan.kernels.triton_operations")


def test_the_interpreter_is_met_by_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    before = [import_module(name) for name in NAMES]
    with interpreted():
        meanwhile = [import_module(name) for name in NAMES]
        assert os.environ["TRITON_INTERPRET"] == "1"
    from wan_render.backends.wan.kernels import triton_operations

    assert "TRITON_INTERPRET" not in os.environ
    assert [import_module(name) for name in NAMES] == before
    assert triton_operations is before[-1]
    assert not set(meanwhile) & set(before)
    with interpreted():
        assert [import_module(name) for name in NAMES] == meanwhile
