"""The sample backend of docs/examples, registered by one line like the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wan_render.backends import MODULES
from wan_render.model_weights import PullSize

NAME, MODULE = "grain", "docs.examples.backend"
ONE_LINE = f"from wan_render.backends import MODULES; MODULES[{NAME!r}] = {MODULE!r}"
"""The same for a process of its own."""


@pytest.fixture(scope="module", autouse=True)
def one_line() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODULES, NAME, MODULE)
        yield


class Unwatched:
    """A pull's watch that shows nothing."""

    def begin(self, size: PullSize) -> None:
        pass

    def advance(self, count: int) -> None:
        pass

    def say(self, text: str) -> None:
        pass
