"""How long `wan-render check` of a small file takes, from start to exit, and which imports take the longest.

    python -m benchmarks.startup [FILE]

Prediction, written before the first run: 0.30 s of the allowed 0.5 s, most of it for pydantic; an empty Python 0.02 s.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

DEMO = Path(__file__).parents[1] / "storyboards" / "river-to-dove" / "storyboard.yaml"
ROUNDS = 9


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def imports(command: list[str], most: int = 8) -> list[tuple[float, str]]:
    """(milliseconds, module) of the slowest imports, including what they import."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command[1:]], check=True, capture_output=True, text=True
    )
    rows = (line.removeprefix("import time:").split("|") for line in done.stderr.splitlines() if "|" in line)
    times = [(int(total) / 1000, name.strip()) for _, total, name in rows if total.strip().isdigit()]
    return sorted(times, reverse=True)[:most]


def main() -> None:
    file = sys.argv[1] if len(sys.argv) > 1 else str(DEMO)
    check = [sys.executable, "-m", "wan_render.cli", "check", file]
    empty = [sys.executable, "-c", "pass"]
    seconds(check)  # the first time fills the cache
    times = [(seconds(check), seconds(empty)) for _ in range(ROUNDS)]
    print(f"check:        {median(pair[0] for pair in times):.3f} s (best {min(pair[0] for pair in times):.3f})")
    print(f"empty Python: {median(pair[1] for pair in times):.3f} s")
    for milliseconds, name in imports(check):
        print(f"  {milliseconds:7.1f} ms  {name}")


if __name__ == "__main__":
    main()
