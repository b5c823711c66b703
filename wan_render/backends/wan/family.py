"""The family of Wan models, for the command line. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wan_render.backends.wan.checkpoint import location
from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, Models
from wan_render.model_family import PulledWeights, PullRequest, PullWatch, Weights


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
        folder, problem = location.weights_folder(card), location.missing_weights(card)
        if folder is None:
            return Weights(None, official.BY_NAME[card.name].disk_bytes, problem)
        return Weights(folder, _bytes_in(folder), problem, location.resolved(card, folder))

    def pull(self, request: PullRequest, watch: PullWatch) -> PulledWeights:
        """Download weights from Hugging Face or ModelScope; see weights.pull."""
        from wan_render.backends.wan.weights.pull import pull  # late: only this command needs it

        return pull(request, watch)


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
