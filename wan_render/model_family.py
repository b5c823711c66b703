"""The models that a backend may offer. A backend without models of its own implements none of this.

`Models` (model_card.py) is what reading and planning ask. `ModelFamily` is what the commands `models`, `models pull`,
`doctor` and `plan` ask: which models are published, and what of their weights is on this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, Models, WorkflowReading

if TYPE_CHECKING:  # `check` starts faster without them
    from wan_render.model_weights import (
        ImportedModel,
        ImportRequest,
        ListedModel,
        PulledWeights,
        PullRequest,
        PullWatch,
        Weights,
    )
    from wan_render.workflows.workflow import NamedWorkflow

WEIGHTS_FACT = "weights"
"""The name under which `Renderer.facts` gives the weights of a take. Its text is that of `Weights.version`."""


class ModelFamily(Protocol):
    """The models of one backend. Needs no heavy library, no device and, except for `pull`, no network."""

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The published models, in the order of listings."""

    def catalogue(self, cache: FactCache) -> Models:
        """The models for reading and planning: the published ones, and local folders."""

    def weights(self, card: ModelCard) -> Weights:
        """What this machine has of a published model."""

    def pull(self, request: PullRequest, watch: PullWatch) -> PulledWeights:
        """Download a model's weights. Files that are already here are verified.

        Raises UsageError for an unknown source or revision; MachineError, WeightsError, DiskError; Stopped.
        """


@runtime_checkable
class HasModels(Protocol):
    """A backend with models of its own."""

    @property
    def family(self) -> ModelFamily:
        """Its models."""


@runtime_checkable
class OffersModels(Protocol):
    """A backend whose models any film may use beside those of its own backend. They have no weights here."""

    @property
    def offered(self) -> tuple[ModelCard, ...]:
        """Their cards. Each names this backend (ModelCard.backend), and its own name begins with that of the backend:
        `dashscope:wan2.7-i2v`. Fast; raises UsageError if a setting of this machine is wrong."""


@runtime_checkable
class RendersWorkflows(Protocol):
    """A backend whose models are workflows of ComfyUI, for any film beside the models of its own backend."""

    def read_workflow(self, named: NamedWorkflow, like: ModelCard | None) -> WorkflowReading:
        """The card of a workflow, which names this backend. like: the card of the known model whose limits hold.

        Raises InputError with all mistakes; the place of each is a key of the storyboard's map.
        """


@runtime_checkable
class ImportsModels(Protocol):
    """A family that makes models of files in other layouts."""

    def imported(self, root: Path) -> tuple[ListedModel, ...]:
        """The models in a folder of weights that are no published ones."""

    def import_model(self, request: ImportRequest, watch: PullWatch) -> ImportedModel:
        """Make a model of files in other layouts. Raises UsageError, InputError, MachineError, DiskError."""


@runtime_checkable
class ConvertsModels(Protocol):
    """A family whose models may be made of files when they are first used."""

    def convert(self, card: ModelCard, say: Callable[[str], None]) -> None:
        """Write the folder of a model that is made from files, unless it is there. `say` gets sentences.

        Raises InputError, WeightsError, MachineError, DiskError.
        """
