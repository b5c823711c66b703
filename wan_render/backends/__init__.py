"""The registry of backends: an explicit list, one line each; a backend is imported when it is asked for.

A backend's module holds its inert description under the name `BACKEND` and imports no heavy library itself. What it
offers besides is asked of that description: see model_family.HasModels and diagnosis.HasFindings.
"""

from __future__ import annotations

from importlib import import_module

from wan_render.authored.spelling import did_you_mean
from wan_render.backend_contract import Backend
from wan_render.errors import Problem, UsageError
from wan_render.model_family import HasModels, ModelFamily
from wan_render.printable import shown

MODULES = {
    "animatic": "wan_render.backends.animatic",
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


def family_for(chosen: Backend) -> ModelFamily:
    """The models that a storyboard may name when this backend renders it: its own, or those of the default backend."""
    return chosen.family if isinstance(chosen, HasModels) else families()[DEFAULT]
