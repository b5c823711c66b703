"""`python -m flows.film_process`: the process of a run, as a farm's worker starts it.

It takes the run's lock before anything slow happens, so the farm knows at once when it is gone. The rest is Prefect's
own. Without a command in the work pool, Prefect would load itself twice: once to prepare a folder, once to run.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from flows.farm_home.home import farm_home
from flows.farm_home.run_lock import hold

RUN = "PREFECT__FLOW_RUN_ID"
"""The variable in which a worker names the run."""


def main() -> int:
    """Run it to its end; 0 at once if another process already does."""
    if not hold(farm_home(Path.cwd()), os.environ[RUN]):
        sys.stderr.write(f"run {os.environ[RUN]} has a process already\n")
        return 0
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
