"""The documents that people read first: what they link to is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"],  # noqa: S607 - the git of whoever runs the tests
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
)
CODE_FOLDERS = ("wan_render", "flows", "tests", "docs", "benchmarks")
NAMES_A_FILE = re.compile(r"`((?:[a-z0-9_]+/)*[a-z0-9_]+\.py)`")
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    lost = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not lost


def test_the_pages_are_found() -> None:
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/tour.md"])
def test_every_file_of_the_code_that_a_page_names_is_there(name: str) -> None:
    """A name without its folder, as the tour has them in a row, is that of one file."""
    files = [file for folder in CODE_FOLDERS for file in (ROOT / folder).rglob("*.py")]
    named = set(NAMES_A_FILE.findall((ROOT / name).read_text(encoding="utf-8")))
    assert named
    assert not {path for path in named if not any(f"/{file.as_posix()}".endswith(f"/{path}") for file in files)}
