"""The registry of backends: an explicit list, one line each; a backend is imported when it is asked for.

A backend's module holds its inert description under the name `BACKEND` and imports no heavy library itself.
"""

from __future__ import annotations

from importlib import import_module

from wan_render.errors import Problem, UsageError
from wan_render.model.spelling import did_you_mean
from wan_render.printable import shown
from wan_render.render import Backend

_MODULES = {
    "animatic": "wan_render.backends.animatic",
    "wan": "wan_render.backends.wan",
}


def names() -> tuple[str, ...]:
    """The names of all backends."""
    return tuple(_MODULES)


def backend(name: str, asked_by: str = "--backend") -> Backend:
    """The backend of that name. Raises UsageError for an unknown one, with the option or variable that named it."""
    if name not in _MODULES:
        close = did_you_mean(name, _MODULES)
        raise UsageError(
            Problem(asked_by, f"no backend is called {shown(name)}", f"allowed: {', '.join(_MODULES)}", close)
        )
    found: Backend = import_module(_MODULES[name]).BACKEND
    return found
