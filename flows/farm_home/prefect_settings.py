"""Prefect's own settings, checked before anything uses them.

Prefect reads them when it is first used, wherever that is, and ends in a traceback of pydantic at the first that it
cannot read. Here all of them are named.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, ValidationError
from pydantic_settings import SettingsError

from flows.farm_home.home import closed
from wan_render.errors import Problem, UsageError
from wan_render.printable import shown

if TYPE_CHECKING:
    from prefect.settings.base import PrefectBaseSettings

CORRECT = "correct or unset it"

FOLLOWS = "default_factory_not_called"
"""pydantic's name for a fault that follows from another one."""


def check_prefect_settings() -> None:
    """Raises UsageError with every setting of Prefect that has an invalid value, and MachineError if they are in the
    folder of another user's farm. Must be called before Prefect is imported: from then on it sends nothing about its
    use to anybody, and says nothing about it in a terminal."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    said = io.StringIO()  # Prefect complains while it is imported, too
    try:
        with redirect_stderr(said):
            from prefect.settings import get_current_settings

            get_current_settings()
    except SettingsError as error:
        raise UsageError(Problem("Prefect's settings", str(error), remedy="correct prefect.toml")) from None
    except PermissionError as error:
        raise closed(Path(error.filename).absolute()) from None
    except ValidationError as error:
        wrong = list(_wrong())
        raise UsageError(*wrong) from None if wrong else error
    sys.stderr.write(said.getvalue())


def _wrong() -> Iterator[Problem]:
    from prefect.settings.models.root import Settings

    for model in _models(Settings):
        try:
            model()
        except ValidationError as error:
            if error.title != model.__name__:
                continue  # of a part of it, which comes by itself
            for fault in error.errors(include_url=False):
                if fault["loc"] and fault["type"] != FOLLOWS:
                    yield _invalid(model, str(fault["loc"][0]), fault)


def _invalid(model: type[PrefectBaseSettings], field: str, fault: Mapping[str, Any]) -> Problem:
    is_secret = "Secret" in str(model.model_fields[field].annotation)
    value = "" if is_secret else f" {shown(str(fault['input']))}"
    return Problem(_variable(model, field), f"invalid value{value}", str(fault["msg"]), CORRECT)


def _models(model: type[PrefectBaseSettings]) -> Iterator[type[PrefectBaseSettings]]:
    """A group of settings and the groups within it."""
    from prefect.settings.base import PrefectBaseSettings

    yield model
    for field in model.model_fields.values():
        part: Any = field.annotation
        if isinstance(part, type) and issubclass(part, PrefectBaseSettings):
            yield from _models(part)


def _variable(model: type[PrefectBaseSettings], field: str) -> str:
    """The variable that sets it here; where none does, a file of settings, by the variable's first name."""
    alias = model.model_fields[field].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    names = [str(each).upper() for each in choices if isinstance(each, str) and each != field]
    names.append(f"{model.model_config.get('env_prefix') or 'PREFECT_'}{field}".upper())
    return next((name for name in os.environ if name.upper() in names), f"{names[0]} (prefect.toml, or a profile)")
