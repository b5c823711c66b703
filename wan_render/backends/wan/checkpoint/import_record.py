"""What `models import` writes beside the weights that it made: from what, and which model's numbers they have."""

from __future__ import annotations

import json
from pathlib import Path

IMPORT_RECORD = "wan-render-import.json"


def made_like(folder: Path) -> str:
    """The name of the model whose numbers a folder was given; "" if it was not imported, or says nothing."""
    try:
        found = json.loads((folder / IMPORT_RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    like = found.get("like") if isinstance(found, dict) else None
    return like if isinstance(like, str) else ""
