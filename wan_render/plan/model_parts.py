"""From a `model` of the storyboard to the files that it names."""

from __future__ import annotations

from pathlib import Path

from wan_render.authored import ModelChoice, PathInFile
from wan_render.model_card import Models, NamedParts
from wan_render.plan.findings import Findings

_COMPONENTS = {"high": "transformer", "low": "transformer"}


def parts_of(choice: ModelChoice, place: PathInFile, models: Models, findings: Findings) -> NamedParts | None:
    """The files of a model that is not called by its name. None after a mistake, which is reported."""
    if not _is_sound(choice, place, findings):
        return None
    folder = findings.document.folder

    def path(text: str) -> Path:
        return models.imported(text) or folder / text

    if choice.name:
        return NamedParts((path(choice.name),), like=choice.like)
    found = {key: path(text) for key, text in choice.parts.items()}
    others = tuple(file for key, file in found.items() if key not in ("high", "low"))
    return NamedParts(
        others,
        found.get("high"),
        found.get("low"),
        path(choice.tokenizer) if choice.tokenizer else None,
        choice.like,
        tuple((_COMPONENTS.get(key, key), file) for key, file in found.items()),
    )


def _is_sound(choice: ModelChoice, place: PathInFile, findings: Findings) -> bool:
    """Whether the keys of the map go together."""
    experts = [key for key in ("high", "low") if getattr(choice, key)]
    if choice.keys_of_workflow:
        key = choice.keys_of_workflow[0]
        findings.error((*place, key), f"'{key}' without 'comfyui'", "an input of a workflow", "write comfyui: FILE")
        return False
    if choice.name and (choice.parts or choice.tokenizer):
        key = next(iter(choice.parts), "tokenizer")
        findings.error((*place, key), f"'{key}' with 'name'", "a name, or parts", "delete one of the two")
    elif choice.name:
        return True
    elif choice.transformer and experts:
        findings.error((*place, experts[0]), f"'{experts[0]}' with 'transformer'", "", "write one of the two")
    elif len(experts) == 1:
        missing = "low" if experts[0] == "high" else "high"
        findings.error(place, f"'{missing}' is missing", "Wan 2.2's two experts: high and low")
    elif not choice.transformer and not experts:
        findings.error(place, "a map of parts without a transformer", "allowed: transformer, or high and low")
    else:
        return True
    return False
