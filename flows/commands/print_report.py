"""Prints what a command of the farm reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def print_report(lines: Iterable[str], as_json: Mapping[str, Any] | None) -> None:
    """Print its lines, or the JSON object if there is one."""
    print("\n".join(lines) if as_json is None else json.dumps(as_json, ensure_ascii=False, indent=2))
