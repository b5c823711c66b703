"""What opening a renderer does to the process that does it."""

from __future__ import annotations

import os

import pytest

from wan_render.backends.wan.opening import ALLOCATOR_SETTINGS, hold_memory_in_growing_segments


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they were, afterwards, too."""
    for name in ALLOCATOR_SETTINGS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_memory_is_held_in_growing_segments() -> None:
    hold_memory_in_growing_segments()
    assert os.environ["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"


@pytest.mark.parametrize("name", ALLOCATOR_SETTINGS)
def test_settings_of_the_user_are_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "max_split_size_mb:128")
    hold_memory_in_growing_segments()
    said = {each: os.environ[each] for each in ALLOCATOR_SETTINGS if each in os.environ}
    assert said == {name: "max_split_size_mb:128"}
