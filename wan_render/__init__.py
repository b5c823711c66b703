"""wan-render: a YAML storyboard becomes a finished film, overnight.

The way of the data, one direction:
storyboard -> plan (of takes) -> clips in the store -> cut -> film.

The Python API is `wan_render.read`; see python_api.py and docs/python.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wan_render.errors import InputError, MachineError, StoryboardError, WanRenderError
    from wan_render.python_api import RenderResult, StoryboardFilm, read

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "MachineError",
    "RenderResult",
    "StoryboardError",
    "StoryboardFilm",
    "WanRenderError",
    "read",
]


def __getattr__(name: str) -> Any:
    """The names of the API, imported when they are used: every command imports this package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = "errors" if name.endswith("Error") else "python_api"
    return getattr(import_module(f"{__name__}.{module}"), name)
