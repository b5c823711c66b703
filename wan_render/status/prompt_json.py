"""Extended prompts in `plan --json` and `extend --json`."""

from __future__ import annotations

from typing import Any

from wan_render.cleaning import cleaned
from wan_render.plan import PlannedPrompt


def prompt_json(prompt: PlannedPrompt) -> dict[str, Any]:
    """One prompt as plain JSON. `stale`: what changed since; "" if nothing did."""
    found = prompt.found
    return {
        "name": prompt.name,
        "written": prompt.written,
        "prompt": None if found is None else cleaned(found.entry.prompt),
        "model": None if found is None else found.entry.model,
        "edited": found is not None and found.entry.is_edited,
        "stale": "" if found is None else found.stale,
        "written_if_unanswered": prompt.may_stay,
    }
