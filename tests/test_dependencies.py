"""What is installed is what was tested: every dependency has one version in constraints.txt, which its range allows.
What CI and pre-commit run agrees with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [line.split("==") for line in lines if line and not line.startswith("#")]
    names = [canonicalize_name(name) for name, _ in found]
    assert len(names) == len(set(names)), "a package has two versions"
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_dependency_has_a_tested_version(extra: str) -> None:
    for asked in map(Requirement, EXTRAS[extra]):
        name = canonicalize_name(asked.name)
        assert name in pins(), f"{name} of extra '{extra}'"
        assert asked.specifier.contains(pins()[name]), f"{asked} and {pins()[name]}"


def test_one_place_says_how_flash_attention_is_installed() -> None:
    """Others lead there: two places would tell of two versions."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    telling = [page.name for page in pages if re.search(r"pip install.*(hopper|fa3)", page.read_text(encoding="utf-8"))]
    assert telling == ["README.md"]


def test_commits_are_checked_by_the_tested_ruff() -> None:
    """`make constraints` may choose another: then `rev` has to follow."""
    (hooks,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert hooks["rev"] == f"v{pins()['ruff']}"


def test_every_system_is_tested_with_every_supported_python() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8"))
    supported = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if name.startswith("Programming Language")]
    pythons = {system: job["strategy"]["matrix"]["python"] for system, job in workflow["jobs"].items()}
    assert pythons == dict.fromkeys(("linux", "macos", "windows"), supported)


@pytest.mark.parametrize("system", ["macos", "windows"])
def test_the_tests_that_other_systems_run_are_there(system: str) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8"))
    commands = " ".join(step.get("run", "") for step in workflow["jobs"][system]["steps"])
    named = re.findall(r"\btests/\S+", commands)
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_oldest_python_is_named_the_same_everywhere() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert f"Python :: {oldest}" in PROJECT["classifiers"][0]
    for page in ("README.md", "CONTRIBUTING.md", "Makefile"):
        assert f"Python {oldest} or newer" in (ROOT / page).read_text(encoding="utf-8")
