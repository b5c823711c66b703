"""Where a program's figures go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def tell(found: Mapping[str, Any], file: Path | None) -> None:
    """Print the figures as JSON, and write them to a file where one is named."""
    text = json.dumps(found, indent=2)
    print(text)
    if file is not None:
        file.write_text(text + "\n", encoding="utf-8")
