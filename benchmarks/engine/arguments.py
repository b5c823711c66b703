"""What every program of the engine's benchmarks may be given."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser(description: str | None) -> argparse.ArgumentParser:
    """With `--tiny` and `--json`. description: the program's own words, shown as they are."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--tiny", action="store_true", help="on a CPU, to try the program itself")
    found.add_argument("--json", type=Path, help="where the figures go, besides the terminal")
    return found
