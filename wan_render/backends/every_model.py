"""The models that a storyboard may name: those of its film's backend, and those that other backends offer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.errors import InputError, Problem
from wan_render.model_card import (
    LoraFit,
    ModelCard,
    Models,
    NamedParts,
    PublishedLora,
    TextReading,
    WorkflowReading,
)
from wan_render.take import ShotKind, Size

if TYPE_CHECKING:  # few storyboards name a workflow
    from wan_render.workflows.workflow import NamedWorkflow


class EveryModel:
    """A family's models, and those that other backends offer (model_family.OffersModels)."""

    def __init__(
        self,
        own: Models,
        offered: Callable[[], Mapping[str, ModelCard]],
        read_workflow: Callable[[NamedWorkflow, ModelCard | None], WorkflowReading],
    ) -> None:
        """offered: name → card; called when a storyboard names a model. read_workflow: see RendersWorkflows."""
        self._own, self._find_offered, self._read_workflow = own, offered, read_workflow

    @cached_property
    def _offered(self) -> Mapping[str, ModelCard]:
        return self._find_offered()

    @property
    def names(self) -> Collection[str]:
        """See Models.names."""
        return _Names(self._own.names, lambda: self._offered)

    def card(self, name: str) -> ModelCard:
        """See Models.card."""
        return self._own.card(name) if name in self._own.names else self._offered[name]

    def folder(self, folder: Path) -> ModelCard:
        """See Models.folder."""
        return self._own.folder(folder)

    @property
    def imported_names(self) -> tuple[str, ...]:
        """See Models.imported_names."""
        return self._own.imported_names

    def imported(self, name: str) -> Path | None:
        """See Models.imported."""
        return self._own.imported(name)

    def made_of(self, parts: NamedParts, name: str) -> ModelCard:
        """See Models.made_of."""
        return self._own.made_of(parts, name)

    def of_workflow(self, named: NamedWorkflow) -> WorkflowReading:
        """See ReadsWorkflows.of_workflow."""
        return self._read_workflow(named, None if named.like is None else self.card(named.like))

    def default(self, kind: ShotKind, size: Size) -> ModelCard:
        """See Models.default."""
        return self._own.default(kind, size)

    def reading(self, card: ModelCard, text: str) -> TextReading | None:
        """See Models.reading. A model that another backend offers has no tokenizer here."""
        return None if self._is_foreign(card) else self._own.reading(card, text)

    def lora_fit(self, card: ModelCard, file: Path) -> LoraFit:
        """See Models.lora_fit."""
        if self._is_foreign(card):
            raise InputError(Problem(str(file), f"{card.name} takes no LoRAs", remedy="remove it"))
        return self._own.lora_fit(card, file)

    def published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:
        """See Models.published_fit."""
        return None if self._is_foreign(card) else self._own.published_fit(card, lora)

    def _is_foreign(self, card: ModelCard) -> bool:
        return card.workflow is not None or (card.name not in self._own.names and card.name in self._offered)


class _Names(Collection[str]):
    """The names of a family's models, and then those of others, which are looked for only if they are needed: a film
    that names the family's models loads no other backend."""

    def __init__(self, own: Collection[str], offered: Callable[[], Collection[str]]) -> None:
        self._own, self._offered = own, offered

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._offered()

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self._offered()

    def __len__(self) -> int:
        return len(self._own) + len(self._offered())
