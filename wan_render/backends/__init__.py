"""The registry of backends: an explicit list, one line each; a backend is imported when it is asked for.

A backend's module holds its inert description under the name `BACKEND` and imports no heavy library itself. What it
offers besides is asked of that description: see model_family.HasModels and diagnosis.HasFindings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from wan_render.authored.spelling import did_you_mean
from wan_render.backend_contract import Backend, HasOwnDevices
from wan_render.backends.every_model import EveryModel
from wan_render.errors import Problem, UsageError
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, Models, WorkflowReading
from wan_render.model_family import HasModels, ModelFamily, OffersModels, RendersWorkflows
from wan_render.printable import shown
from wan_render.render_values import Device
from wan_render.settings import MachineSettings

if TYPE_CHECKING:  # few storyboards name a workflow
    from wan_render.workflows.workflow import NamedWorkflow

MODULES = {
    "animatic": "wan_render.backends.animatic",
    "comfyui": "wan_render.backends.comfyui",
    "dashscope": "wan_render.backends.dashscope",
    "wan": "wan_render.backends.wan",
}
"""The name of each backend → its module."""

DEFAULT = "wan"
"""The backend that renders where nobody chose one. Its models are used by backends that have none."""

PREVIEW_BACKEND = "animatic"
"""The backend that needs no GPU and no weights: it shows a film before it is rendered."""


def names() -> tuple[str, ...]:
    """The names of all backends."""
    return tuple(MODULES)


def backend(name: str, asked_by: str = "--backend") -> Backend:
    """The backend of that name. Raises UsageError for an unknown one, with the option or variable that named it."""
    if name not in MODULES:
        close = did_you_mean(name, MODULES)
        raise UsageError(
            Problem(asked_by, f"no backend is called {shown(name)}", f"allowed: {', '.join(MODULES)}", close)
        )
    found: Backend = import_module(MODULES[name]).BACKEND
    return found


def families() -> dict[str, ModelFamily]:
    """The name of each backend that has models of its own → these models."""
    found = {name: backend(name) for name in names()}
    return {name: each.family for name, each in found.items() if isinstance(each, HasModels)}


def rendered_by(backend_id: str, chosen: Backend) -> Backend:
    """The backend of a take. backend_id: Take.backend. chosen: the backend of its film."""
    return chosen if backend_id == chosen.id else backend(backend_id.partition("/")[0])


def offered_models(chosen: Backend) -> Mapping[str, ModelCard]:
    """The models that a film of this backend may name besides its own: name → card. Raises UsageError.

    A backend that was chosen instead of the models that a storyboard names renders these as well.
    """
    others = [each for name in names() if isinstance(each := backend(name), OffersModels)]
    cards = [_for_film_of(chosen, card) for other in others for card in other.offered]
    return {card.name: card for card in cards}


def read_workflow(chosen: Backend, named: NamedWorkflow, like: ModelCard | None) -> WorkflowReading:
    """A workflow of ComfyUI as a model of a film of this backend. Raises InputError, see RendersWorkflows."""
    found = next(each for name in names() if isinstance(each := backend(name), RendersWorkflows))
    reading = found.read_workflow(named, like)
    return replace(reading, card=_for_film_of(chosen, reading.card))


def _for_film_of(chosen: Backend, card: ModelCard) -> ModelCard:
    """The card of another backend's model. The model is rendered by that backend only if nobody chose one."""
    return card if chosen.id.partition("/")[0] == DEFAULT else replace(card, backend="")


def catalogue_for(chosen: Backend, cache: FactCache) -> Models:
    """The models for reading and planning a film of this backend."""
    own = family_for(chosen).catalogue(cache)
    return EveryModel(own, lambda: offered_models(chosen), partial(read_workflow, chosen))


def own_devices(settings: MachineSettings, backend_ids: Iterable[str] | None = None) -> tuple[Device, ...]:
    """The devices that backends bring along. backend_ids: of the backends that are needed; None for all of them.

    Raises UsageError for a wrong setting.
    """
    wanted = names() if backend_ids is None else [each.partition("/")[0] for each in backend_ids if each]
    bringing = [each for name in dict.fromkeys(wanted) if isinstance(each := backend(name), HasOwnDevices)]
    return tuple(device for each in bringing for device in each.own_devices(settings))


def family_for(chosen: Backend) -> ModelFamily:
    """The models that a storyboard may name when this backend renders it: its own, or those of the default backend."""
    return chosen.family if isinstance(chosen, HasModels) else families()[DEFAULT]
