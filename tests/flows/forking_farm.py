"""`python -m tests.flows.forking_farm`: `python -m flows.farm` with a worker whose films are forked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from flows import farm
from flows.upkeep.service import Service

WORKER, FORKING_FARM_WORKER = "flows.upkeep.farm_worker", "tests.flows.forking_farm_worker"


class ForkingService(Service):
    """A program of a farm; where it is the worker, the one that forks."""

    def __init__(self, name: str, arguments: Sequence[str], *rest: Any) -> None:
        super().__init__(name, [FORKING_FARM_WORKER if word == WORKER else word for word in arguments], *rest)


def main() -> int:
    """Run the farm."""
    from flows.upkeep import running

    vars(running)["Service"] = ForkingService
    return farm.main()


if __name__ == "__main__":
    sys.exit(main())
