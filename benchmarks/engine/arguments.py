"""What every program of the engine's benchmarks may be given."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from pathlib import Path


def parser(description: str | None) -> argparse.ArgumentParser:
    """With `--tiny` and `--json`. description: the program's own words, shown as they are."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--tiny", action="store_true", help="on a CPU, to try the program itself")
    found.add_argument("--json", type=Path, help="where the figures go, besides the terminal")
    return found


def some_of(allowed: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Reads names with commas between them, each of which has to be allowed: a wrong one would cost time on a GPU."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(filter(None, text.split(",")))
        if wrong := [name for name in names if name not in allowed]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(wrong)}; allowed: {', '.join(allowed)}")
        return names

    return read
