"""The Wan models that a storyboard may name, and the default models. Needs no torch.

What few storyboards need (LoRA files, local folders of weights) is imported when they are asked for.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.backends.wan.models import official
from wan_render.errors import InputError, Problem, UsageError
from wan_render.facts import FactCache
from wan_render.model_card import LoraFit, ModelCard, Models, NamedParts, PublishedLora, TextReading
from wan_render.settings import machine_settings
from wan_render.take import ShotKind, Size

if TYPE_CHECKING:  # few texts are long enough to be read
    from wan_render.backends.wan.models.text_reading import TextReader

BETWEEN_480P_AND_720P = sqrt(832 * 480 * 1280 * 720)
"""The geometric mean of the pixels of 480p and 720p. A raster is closer to one of them below, to the other above it."""


@dataclass(frozen=True)
class Catalogue:
    """The published models and local folders. cache: remembers the digests of folders' files."""

    cache: FactCache
    _readers: dict[str, TextReader] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Every published model's name."""
        return tuple(official.BY_NAME)

    def card(self, name: str) -> ModelCard:
        """The card of a published model; KeyError for another name."""
        return official.BY_NAME[name].card()

    def folder(self, folder: Path) -> ModelCard:
        """The card of a local folder of weights. Raises InputError unless it is a complete model of a known kind."""
        from wan_render.backends.wan.models.local_folder import folder_card

        return folder_card(folder, self.cache)

    @property
    def imported_names(self) -> tuple[str, ...]:
        """The names of the folders of weights that are no published model's."""
        from wan_render.backends.wan.models.local_folder import imported_folders

        return tuple(folder.name for folder in imported_folders(machine_settings().weights))

    def imported(self, name: str) -> Path | None:
        """The folder of a model in the folder of weights, by its name or path."""
        from wan_render.backends.wan.models.local_folder import is_model_folder

        root = machine_settings().weights
        folder = root / name
        is_inside = folder.parent == root and is_model_folder(folder)
        return folder if is_inside else None

    def made_of(self, parts: NamedParts, name: str) -> ModelCard:
        """The card of a model that is made of files, or of a folder in diffusers' layout."""
        from wan_render.backends.wan.checkpoint.hub_caches import snapshot_in
        from wan_render.backends.wan.models.local_folder import is_model_folder

        only = snapshot_in(parts.paths[0]) if len(parts.paths) == 1 and not parts.keys else None
        if only is not None and is_model_folder(only):
            if parts.like is not None:
                raise UsageError(Problem("like", "has no effect on a folder in diffusers' layout", "", "delete it"))
            return replace(self.folder(only), name=name)
        from wan_render.backends.wan.layouts.parts_card import parts_card

        return parts_card(parts, name, machine_settings().weights, self.cache)

    def default(self, kind: ShotKind, size: Size) -> ModelCard:
        """The default model for a kind of shot. I2V has one for 480p and one for 720p."""
        if kind is ShotKind.FLF2V:
            return official.FLF2V_14B.card()
        if kind is ShotKind.T2V:
            return official.T2V_14B.card()
        if kind is ShotKind.BRIDGE:
            return official.VACE_14B.card()
        is_small = size.width * size.height < BETWEEN_480P_AND_720P
        return (official.I2V_14B_480P if is_small else official.I2V_14B_720P).card()

    def reading(self, card: ModelCard, text: str) -> TextReading | None:
        """How the model's tokenizer reads a text; None if the tokenizer is not on this machine."""
        from wan_render.backends.wan.models.text_reading import TextReader

        if card.identity not in self._readers:
            self._readers[card.identity] = TextReader.of(card, self.cache)
        return self._readers[card.identity].reading(text)

    def lora_fit(self, card: ModelCard, file: Path) -> LoraFit:
        """How a LoRA file fits a model. Raises InputError if it does not."""
        from wan_render.backends.wan.lora.lora_fit import lora_fit

        return lora_fit(card, file)

    def published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:
        """How a published LoRA fits a model; None if its file is not here or is damaged. Damage raises an error when
        the file is applied."""
        from wan_render.backends.wan.lora.lora_fit import lora_fit
        from wan_render.backends.wan.lora.lora_location import lora_file

        file = lora_file(lora)
        with suppress(InputError):
            return lora_fit(card, file) if file is not None else None
        return None


def catalogue(cache: FactCache) -> Models:
    """The known models."""
    return Catalogue(cache)
