"""The family of Wan models, for the command line. Needs no torch.

Each answer imports what it needs: `check` asks only for the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.errors import InputError
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, Models

if TYPE_CHECKING:
    from wan_render.model_weights import (
        ImportedModel,
        ImportRequest,
        ListedModel,
        PulledWeights,
        PullRequest,
        PullSize,
        PullWatch,
        Weights,
    )


@dataclass(frozen=True)
class WanFamily:
    """The published Wan models and their weights."""

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """Every published model."""
        return tuple(model.card() for model in official.ALL)

    def catalogue(self, cache: FactCache) -> Models:
        """The published models and local checkpoints."""
        return catalogue(cache)

    def weights(self, card: ModelCard) -> Weights:
        """A pulled folder, or a snapshot in Hugging Face's cache."""
        from wan_render.backends.wan.checkpoint import location
        from wan_render.model_weights import Weights

        folder, problem = location.weights_folder(card), location.missing_weights(card)
        if folder is None:
            return Weights(None, official.BY_NAME[card.name].disk_bytes, problem)
        return Weights(folder, _bytes_in(folder), problem, location.resolved(card, folder))

    def pull(self, request: PullRequest, watch: PullWatch) -> PulledWeights:
        """Download weights from Hugging Face or ModelScope; see weights.pull."""
        from wan_render.backends.wan.weights.pull import pull

        return pull(request, watch)

    def imported(self, root: Path) -> tuple[ListedModel, ...]:
        """The imported models, and other folders in diffusers' layout. Nothing is hashed."""
        from wan_render.backends.wan.models.local_folder import imported_folders

        return tuple(map(_listed, imported_folders(root)))

    def import_model(self, request: ImportRequest, watch: PullWatch) -> ImportedModel:
        """Make a model of Wan's own files, or of ComfyUI's; see layouts."""
        from wan_render.backends.wan.layouts.import_model import import_model

        return import_model(request, watch)

    def convert(self, card: ModelCard, say: Callable[[str], None]) -> None:
        """Write the folder of a model that is made from files; see layouts."""
        from wan_render.backends.wan.layouts.import_model import convert_card

        convert_card(card, _Sentences(say))


@dataclass(frozen=True)
class _Sentences:
    """Follows a conversion by its sentences alone."""

    say: Callable[[str], None]

    def begin(self, size: PullSize) -> None:
        """Nothing is shown."""

    def advance(self, count: int) -> None:
        """Nothing is shown."""


def _listed(folder: Path) -> ListedModel:
    from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
    from wan_render.backends.wan.models.local_folder import resembled
    from wan_render.model_weights import ListedModel

    try:
        like = resembled(read_checkpoint(folder))
    except InputError as fault:
        return ListedModel(folder.name, folder, (), "", _bytes_in(folder), fault.problems[0])
    return ListedModel(folder.name, folder, tuple(kind.value for kind in like.kinds), like.name, _bytes_in(folder))


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
