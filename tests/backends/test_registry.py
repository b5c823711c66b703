"""The list of backends."""

from __future__ import annotations

import pickle

import pytest

from wan_render.backends import backend, names
from wan_render.errors import UsageError


@pytest.mark.parametrize("name", names())
def test_every_backend_is_what_its_line_says(name: str) -> None:
    found = backend(name)
    assert found.id.partition("/")[0] == name
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes


def test_an_unknown_backend_is_refused_with_those_there_are() -> None:
    said = "--backend: no backend is called 'blender'; allowed: animatic, comfyui, dashscope, wan"
    with pytest.raises(UsageError, match=said):
        backend("blender")
