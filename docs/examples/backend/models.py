"""The models of the sample backend: their cards, and their weights, one small file each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from wan_render.errors import InputError, Problem, UsageError
from wan_render.facts import FactCache
from wan_render.model_card import (
    KindDefaults,
    Licence,
    LoraFit,
    ModelCard,
    Models,
    NamedParts,
    PublishedLora,
    TextReading,
)
from wan_render.model_weights import PulledWeights, PullRequest, PullSize, PullWatch, Weights
from wan_render.settings import machine_settings
from wan_render.take import Sampling, ShotKind, Size

FILE = "grain.raw"
SIDE = 64
"""The weights are SIDE x SIDE bytes: a tile of grain, 128 where a pixel stays as it is."""

SOURCE = "built-in"
FINE = ModelCard(
    name="grain-fine",
    identity="example/grain-fine@1",
    kinds=dict.fromkeys(ShotKind, KindDefaults(Sampling(steps=1, guidance=(1.0,), shift=1.0), negative="")),
    rate=Fraction(16),
    licence=Licence("CC0-1.0", ("https://creativecommons.org/publicdomain/zero/1.0/",)),
)
COARSE = replace(FINE, name="grain-coarse", identity="example/grain-coarse@1")
BY_NAME = {card.name: card for card in (FINE, COARSE)}


@dataclass(frozen=True)
class GrainModels:
    """What reading and planning ask (model_card.Models)."""

    cache: FactCache

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a storyboard may use."""
        return tuple(BY_NAME)

    def card(self, name: str) -> ModelCard:
        """KeyError for an unknown name."""
        return BY_NAME[name]

    def folder(self, folder: Path) -> ModelCard:
        """A local folder is known by the digest of its weights. Raises InputError."""
        if (problem := _damage(folder)) is not None:
            raise InputError(problem)
        identity = f"sha256:{self.cache.digest(folder / FILE)}"
        return replace(FINE, name=str(folder), identity=identity, folder=folder.absolute(), licence=None)

    @property
    def imported_names(self) -> tuple[str, ...]:
        """None are."""
        return ()

    def imported(self, name: str) -> Path | None:  # noqa: ARG002 - part of the protocol
        """No models are imported."""
        return None

    def made_of(self, parts: NamedParts, name: str) -> ModelCard:
        """Only folders. Raises InputError."""
        if len(parts.paths) != 1 or parts.keys or not parts.paths[0].is_dir():
            raise InputError(Problem(name, "is made of parts", "allowed: a name, or a folder of weights"))
        return replace(self.folder(parts.paths[0]), name=name)

    def default(self, kind: ShotKind, size: Size) -> ModelCard:  # noqa: ARG002 - one model for every shot
        """For shots that name no model."""
        return FINE

    def reading(self, card: ModelCard, text: str) -> TextReading | None:  # noqa: ARG002 - no text is read
        """No text is too long."""
        return None

    def lora_fit(self, card: ModelCard, file: Path) -> LoraFit:
        """No LoRA fits. Raises InputError."""
        raise InputError(Problem(str(file), f"{card.name} takes no LoRAs", remedy="remove it"))

    def published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:  # noqa: ARG002 - none is published
        """None is published."""
        return None


@dataclass(frozen=True)
class GrainFamily:
    """What `models`, `models pull`, `doctor` and `plan` ask (model_family.ModelFamily)."""

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The published models."""
        return tuple(BY_NAME.values())

    def catalogue(self, cache: FactCache) -> Models:
        """The same, and local folders."""
        return GrainModels(cache)

    def weights(self, card: ModelCard) -> Weights:
        """One file in a folder of the model's name."""
        return weights_of(card)

    def pull(self, request: PullRequest, watch: PullWatch) -> PulledWeights:
        """Nothing is downloaded: the file is computed, written beside its place, and renamed into it."""
        if request.source not in (None, SOURCE):
            raise UsageError(Problem("--source", f"unknown source '{request.source}'", f"allowed: {SOURCE}"))
        folder = request.root / request.card.name
        is_new = _damage(folder) is not None
        if is_new:
            watch.begin(PullSize(missing=1, files=1, download_bytes=SIDE**2, disk_bytes=SIDE**2))
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / f".{FILE}"
            part.write_bytes(_grain(request.card))
            part.replace(folder / FILE)
            watch.advance(SIDE**2)
        return PulledWeights(folder, _version(folder), SOURCE, SIDE**2, is_new)


def weights_of(card: ModelCard) -> Weights:
    """What is here of a model, published or in a folder of its own."""
    folder = card.folder or machine_settings().weights / card.name
    pull = f"run: wan-render models pull {card.name}"
    if not folder.is_dir():
        return Weights(None, SIDE**2, Problem(card.name, "its weights are not on this machine", remedy=pull))
    if (damage := _damage(folder)) is not None:
        return Weights(folder, 0, replace(damage, where=card.name, remedy=pull))
    return Weights(folder, SIDE**2, version=_version(folder))


def _damage(folder: Path) -> Problem | None:
    file = folder / FILE
    if file.is_file() and file.stat().st_size == SIDE**2:
        return None
    return Problem(str(folder), f"has no {FILE} of {SIDE**2} bytes")


def _version(folder: Path) -> str:
    return hashlib.sha256((folder / FILE).read_bytes()).hexdigest()[:12]


def _grain(card: ModelCard) -> bytes:
    """Values around 128; the coarse ones spread further."""
    spread = 32 if card == COARSE else 8
    noise = hashlib.shake_256(card.name.encode()).digest(SIDE**2)
    return bytes(128 + (value - 128) * spread // 128 for value in noise)
