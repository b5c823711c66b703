"""Run the tests that failed in the last run once more, one after the other (docs/decisions/0055-a-second-go.md)."""

import json
import subprocess
import sys
from pathlib import Path

FAILED = Path(".pytest_cache/v/cache/lastfailed")

AT_MOST = 10
"""Tests. More than that don't fail because of a busy moment."""


def main() -> int:
    """pytest's exit code."""
    failed = [name.rpartition("@")[0] or name for name in json.loads(FAILED.read_text(encoding="utf-8"))]
    if not 0 < len(failed) <= AT_MOST:
        return 1
    sys.stdout.write("\n  ".join(["What failed runs once more, alone:", *failed]) + "\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "pytest", "-x", *failed], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
