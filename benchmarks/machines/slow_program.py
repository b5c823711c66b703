"""`wan-render` with a slow animatic: each of its frames sleeps, so that rendering dominates on any machine.

python -m benchmarks.machines.slow_program render film.yaml --backend faults
"""

from __future__ import annotations

import sys

from wan_render import backends


def prepare() -> None:
    """Offer the backend of the fault campaign, which is slow, records what it renders, and has the animatic's keys."""
    backends.MODULES["faults"] = "benchmarks.faults.fault_backend"


def main() -> int:
    """As `wan-render`."""
    prepare()
    from wan_render.cli import main as wan_render

    return wan_render(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
