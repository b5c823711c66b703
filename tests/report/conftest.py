"""A finished film to look at in a browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.report.films import Store, a_review, five_shots, write_film
from wan_render.report import write_report


@pytest.fixture(scope="session")
def dailies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film's folder as somebody gets it by mail: moved, and without the store."""
    made, home = tmp_path_factory.mktemp("v003"), tmp_path_factory.mktemp("store")
    review = a_review(made, five_shots(Store(home)))
    write_film(review)
    write_report(review, made)
    shutil.rmtree(home)
    return made.rename(made.with_name("读 #1 & 100%"))
