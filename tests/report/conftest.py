"""A headless Chromium, and a finished film to look at in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.report.films import Store, a_review, five_shots, write_film
from wan_render.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=list(QUIET))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def dailies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film's folder as somebody got it by mail: moved, with the store gone."""
    made, home = tmp_path_factory.mktemp("v003"), tmp_path_factory.mktemp("store")
    review = a_review(made, five_shots(Store(home)))
    write_film(review)
    write_report(review, made)
    shutil.rmtree(home)
    return made.rename(made.with_name("读 #1 & 100%"))
