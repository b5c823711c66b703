"""A folder of keyframes, and storyboards planned from text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wan_render.authored import Document
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.model_card import Models
from wan_render.plan import FilmPlan, make_plan
from wan_render.storyboard import read_storyboard

Plan = Callable[[str], FilmPlan]
Mistakes = Callable[[str], list[str]]

HEAD = "version: 1\nfilm: {title: Harbour}\nkeyframes: keyframes/\n"


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures a to f, 832x480, each alike to none of the others."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "keyframes").mkdir()
    for at, name in enumerate("abcdef"):
        pixels = np.zeros((480, 832, 3), np.uint8)
        pixels[: 80 * (at + 1)] = (60, 90, 120)
        Image.fromarray(pixels).save(folder / "keyframes" / f"{name}.png", compress_level=1)
        os.utime(folder / "keyframes" / f"{name}.png", (1_600_000_000, 1_600_000_000))
    return folder


@pytest.fixture(scope="session")
def cache(studio: Path) -> FactCache:
    return FactCache(studio / "cache")


@pytest.fixture(scope="session")
def models(cache: FactCache) -> Models:
    return catalogue(cache)


@pytest.fixture
def document(studio: Path, cache: FactCache, models: Models) -> Callable[[str], Document]:
    """A storyboard read from text that lies beside the keyframes; `HEAD` stands before it if it has no version."""

    def read(text: str) -> Document:
        file = studio / "film.yaml"
        file.write_text(text if text.startswith("version") else HEAD + text, encoding="utf-8")
        return read_storyboard(file, models=models, cache=cache)

    return read


@pytest.fixture
def plan(document: Callable[[str], Document], cache: FactCache, models: Models) -> Plan:
    """The plan of a storyboard given as text."""
    return lambda text: make_plan(document(text), models=models, backend_id="animatic/1", cache=cache)


@pytest.fixture
def mistakes(document: Callable[[str], Document], cache: FactCache, models: Models) -> Mistakes:
    """What planning says against a storyboard, without the folder's name; reading must find nothing."""

    def told(text: str) -> list[str]:
        read = document(text)
        with pytest.raises(StoryboardError) as caught:
            make_plan(read, models=models, backend_id="animatic/1", cache=cache)
        return [str(problem).removeprefix(f"{read.file.parent}/") for problem in caught.value.problems]

    return told
