"""A fake service for the test, and a machine that has its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.backends.dashscope.buying import Buyer
from tests.fake_model_studio import FakeService, serving, variables

Serve = Callable[[FakeService], FakeService]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a service; the environment is that of a machine that uses it."""
    with ExitStack() as running:

        def start(service: FakeService) -> FakeService:
            running.enter_context(serving(service))
            for name, value in variables(service).items():
                monkeypatch.setenv(name, value)
            return service

        yield start


@pytest.fixture
def buyer(tmp_path: Path) -> Buyer:
    """A machine with an empty ledger."""
    return Buyer(tmp_path / "outputs")
