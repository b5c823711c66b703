"""Licences of weights that make sounds. Non-commercial ones are refused unless this machine allows them."""

from __future__ import annotations

import re
from pathlib import Path

from wan_render.errors import Problem, WeightsError

UNKNOWN = "unknown: see where the weights are from"
_NON_COMMERCIAL = re.compile(r"\bnc\b|non-?\s?commercial|research[- ]only", re.IGNORECASE)
_LICENCE = re.compile(r"^license(?:_name)?:\s*[\"']?([^\"'\n]+)", re.MULTILINE)
_LONGEST_CARD = 100_000


def folder_licence(folder: Path) -> str:
    """The licence that the model card of a folder names: `license` in the head of its README.md."""
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as stream:
            head = stream.read(_LONGEST_CARD)
    except OSError:
        return UNKNOWN
    front = head.split("---", 2)[1] if head.startswith("---") and head.count("---") > 1 else ""
    named = [name.strip() for name in _LICENCE.findall(front)]
    return ", ".join(dict.fromkeys(named)) or UNKNOWN


def require_licence(what: str, licence: str, *, non_commercial_allowed: bool) -> None:
    """Raise WeightsError for weights that may not be used commercially, unless this machine allows them."""
    if _NON_COMMERCIAL.search(licence.replace("_", "-")) and not non_commercial_allowed:
        allowed = "weights whose licence allows any use"
        remedy = "use other weights, or set WAN_RENDER_NON_COMMERCIAL=yes if the film is not for commercial use"
        raise WeightsError(Problem(what, f"its licence is non-commercial: {licence}", allowed, remedy))
