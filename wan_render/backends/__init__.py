"""The registry of backends: an explicit list, one line each; a backend is imported when it is asked for.

A backend's module holds its inert description under the name `BACKEND` and imports no heavy library itself.
"""

from __future__ import annotations

from importlib import import_module

from wan_render.errors import Problem, UsageError
from wan_render.render import Backend

_MODULES = {
    "animatic": "wan_render.backends.animatic",
    "wan": "wan_render.backends.wan",
}


def names() -> tuple[str, ...]:
    """The names of all backends."""
    return tuple(_MODULES)


def backend(name: str) -> Backend:
    """The backend of that name. Raises UsageError for an unknown one."""
    if name not in _MODULES:
        raise UsageError(Problem("backend", f"'{name}' is not known", f"allowed: {', '.join(_MODULES)}"))
    found: Backend = import_module(_MODULES[name]).BACKEND
    return found
