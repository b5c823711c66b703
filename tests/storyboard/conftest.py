"""A folder that storyboards of the tests lie in, with every file that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from wan_render.authored import Document
from wan_render.facts import FactCache
from wan_render.model_card import LoraFit, ModelCard, NamedParts, PublishedLora, TextReading
from wan_render.storyboard import read_storyboard
from wan_render.take import ShotKind, Size

PICTURES = ("river.png", "ruins.png", "waterfall.jpg", "lake.jpg", "dove.webp", "dawn.png", "noon.png", "dusk.png")
OTHERS = ("audio/water.wav", "audio/hooves.wav", "audio/theme.flac", "loras/anime.safetensors", "clips/old.mp4")

Read = Callable[..., Document]


class NamedModels:
    """Models by name alone: reading a storyboard asks for no more."""

    names = ("wan2.1-flf2v-14b", "wan2.1-i2v-14b-480p", "wan2.1-t2v-14b", "wan2.2-i2v-a14b")

    def card(self, name: str) -> ModelCard:
        raise KeyError(name)

    def folder(self, folder: Path) -> ModelCard:
        raise KeyError(folder)

    imported_names = ()

    def imported(self, name: str) -> Path | None:  # noqa: ARG002 - part of the protocol
        return None

    def made_of(self, parts: NamedParts, name: str) -> ModelCard:
        raise KeyError(parts, name)

    def default(self, kind: ShotKind, size: Size) -> ModelCard:
        raise KeyError(kind, size)

    def reading(self, card: ModelCard, text: str) -> TextReading | None:
        raise KeyError(card, text)

    def lora_fit(self, card: ModelCard, file: Path) -> LoraFit:
        raise KeyError(card, file)

    def published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:
        raise KeyError(card, lora)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FactCache:
    return FactCache(tmp_path_factory.mktemp("facts"))


@pytest.fixture(scope="session")
def _drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    for number, name in enumerate(PICTURES):
        Image.linear_gradient("L").rotate(40 * number).resize((832, 480)).convert("RGB").save(folder / name)
    return folder


@pytest.fixture
def folder(tmp_path: Path, _drawn: Path) -> Path:
    """A storyboard's folder with pictures, sounds, a LoRA and a clip."""
    home = tmp_path / "film"
    for name in ("keyframes", "audio", "loras", "clips"):
        (home / name).mkdir(parents=True)
    for name in PICTURES:
        (home / "keyframes" / name).hardlink_to(_drawn / name)
    for name in OTHERS:
        (home / name).write_bytes(b"not looked into when a storyboard is read")
    return home


@pytest.fixture
def read(folder: Path, cache: FactCache) -> Read:
    """Read a text or bytes as `film.yaml` in the folder."""

    def reading(text: str | bytes, *allow: Path) -> Document:
        file = folder / "film.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_storyboard(file, models=NamedModels(), cache=cache, allow=allow)

    return reading
