"""One rendered film for all tests of exports in a process."""

from __future__ import annotations

import pytest

from tests.editors.harbour_film import HarbourFilm


@pytest.fixture(scope="session")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> HarbourFilm:
    return HarbourFilm.rendered(tmp_path_factory.mktemp("harbour"))
