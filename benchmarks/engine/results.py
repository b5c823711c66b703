"""Where a program's figures go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Rows of like cells as Markdown; the columns are those of the first."""
    head = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for name, row in rows.items():
        cells = (f"{row[key]:.4g}" if isinstance(row[key], float) else str(row[key]) for key in head)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def tell(found: Mapping[str, Any], file: Path | None) -> None:
    """Print the figures as JSON, and write them to a file where one is named."""
    print(json.dumps(found, indent=2))
    write(found, file)


def write(found: Mapping[str, Any], file: Path | None) -> None:
    """Write the figures that there are to a file, where one is named, over those of before."""
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
