"""`make constraints`: the versions that pip finds now for every extra of pyproject.toml, written to constraints.txt.

Nothing is installed. Run it with the oldest supported Python, so that every other one can install the same versions;
then run the tests, and only then commit the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """\
# Versions that resolved and ran together; the make targets install with these. The ranges in pyproject.toml are wider.
# `make constraints` writes this file.
"""

TORCHS_OWN = ("nvidia-", "cuda-")
"""Packages of torch's CUDA build. It names their versions itself, and other builds have none of them."""

NOT_OURS = ("setuptools",)
"""Every environment for building has one of its own."""


def main() -> int:
    """Write the file; 2 where this Python is not the oldest supported one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    if f"{sys.version_info.major}.{sys.version_info.minor}" != oldest:
        sys.stderr.write(
            f"this is Python {sys.version_info.major}.{sys.version_info.minor}, and versions are chosen for {oldest}: "
            f"make clean; make PYTHON=python{oldest} constraints\n"
        )
        return 2
    found = {name: version for name, version in resolved(project["optional-dependencies"]) if is_kept(name, project)}
    lines = [f"{name}=={found[name]}" for name in sorted(found, key=str.casefold)]
    (ROOT / "constraints.txt").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"constraints.txt: {len(lines)} packages; run `make test` before you commit it\n")
    return 0


def resolved(extras: dict[str, list[str]]) -> list[tuple[str, str]]:
    """What pip would install of the project with these extras: names and versions, without the build (`+cpu`)."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--dry-run", "--ignore-installed", "--report", str(report), f"{ROOT}[{','.join(extras)}]"]
        subprocess.run(command, check=True)
        packages = [package["metadata"] for package in json.loads(report.read_text(encoding="utf-8"))["install"]]
    return [(package["name"], package["version"].partition("+")[0]) for package in packages]


def is_kept(name: str, project: dict[str, str]) -> bool:
    """Whether a package is to be constrained."""
    return name not in (project["name"], *NOT_OURS) and not name.startswith(TORCHS_OWN)


if __name__ == "__main__":
    sys.exit(main())
