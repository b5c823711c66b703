from __future__ import annotations

from pathlib import Path

import pytest

from tests.production.storyboards import Stage
from wan_render.store import Store


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.made(tmp_path / "film")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs")
