"""The canonical form → a Storyboard. Reports every invalid value at its place."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wan_render.authored import Storyboard
from wan_render.storyboard.normal import Normaliser
from wan_render.storyboard.slips import QUOTES, cut_by_comment, full_width


def validated(data: dict[str, Any], reading: Normaliser) -> Storyboard | None:
    """The storyboard; None if it is invalid, with the mistakes added. Keys are those of the file: `from`, not
    `from_`."""
    try:
        return Storyboard.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            if reading.mistakes.full:
                break
            _report(details, reading)
        return None


def _report(details: ErrorDetails, reading: Normaliser) -> None:
    context = details.get("ctx", {})
    path = (*details["loc"], *context.get("at", ()))
    if reading.mistakes.covers(path):
        return
    if details["type"] == "missing":
        if path in reading.mistakes.meant:
            return
        reading.mistakes.add(path, "missing", "", f"add '{path[-1]}: …'")
        return
    found, allowed = context.get("found", details["msg"]), context.get("allowed", "")
    reading.mistakes.add(path, found, allowed, context.get("remedy", "") or _hint(path, reading))


def _hint(path: tuple[str | int, ...], reading: Normaliser) -> str:
    node = reading.scalars.get(path)
    if node is None or not node.plain:
        return ""
    return QUOTES if cut_by_comment(reading.source, node.end) else full_width(node.text)
