"""Fifty films of two seconds through the queue of a farm: their order, the gaps, what the server takes.

    python -m benchmarks.queue_order
    python -m benchmarks.queue_order --films 4

A farm with a home of its own is started, all films are requested at once, and the animatic makes them (64x64, two
shots of a second). A gap is from the end of a film to the start of the next one's flow, by the server's clock.

Prediction, written before the first run, for two cores that do nothing else: the order is kept; the median gap is 3 s
(0.6 s until the worker asks, 0.3 s to submit, 2 s to import Prefect and wan-render), the longest 5 s; the server's
memory grows from 250 to 300 MB, and its database to 8 MB.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.flows.conftest import Farm, environment, start
from tests.flows.films import write_film
from tests.ports import free_port

TARGET_SECONDS = 5
SECONDS_EACH = 60
"""At most, for one film."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Films through the queue of a farm.")
    parser.add_argument("--films", type=int, default=50)
    films = parser.parse_args().films
    with tempfile.TemporaryDirectory(prefix="wan-render-queue-") as folder:
        home = Path(folder)
        variables = environment(home, free_port())
        del variables["PREFECT_WORKER_QUERY_SECONDS"]  # use the default, as users do
        farm = start(home, variables)
        try:
            _measure(farm, films)
        finally:
            farm.stop()


def _measure(farm: Farm, films: int) -> None:
    files = [write_film(farm.home / "films" / f"film-{number:03}") for number in range(films)]
    before = _memory(farm)
    print(f"before: the server's memory {before} MB, its database {_database(farm)} MB")
    asked = [farm.run("film/now", storyboard=str(file)) for file in files]
    for run in asked:
        farm.ended(run, SECONDS_EACH * films)
    runs = [farm.ask("GET", f"/flow_runs/{run}") for run in asked]
    in_order = sorted(runs, key=lambda run: _time(run, "start_time"))
    gaps = [(_time(then, "start_time") - _time(now, "end_time")).total_seconds() for now, then in pairwise(in_order)]
    named = sum(run["name"] == file.parent.name for run, file in zip(runs, files, strict=True))
    print(f"order kept: {runs == in_order}; states: {sorted({run['state_name'] for run in runs})}; named: {named}")
    longer = sum(gap > TARGET_SECONDS for gap in gaps)
    print(f"gaps: median {statistics.median(gaps):.1f} s, longest {max(gaps):.1f} s, {longer} over {TARGET_SECONDS} s")
    print(f"a film ran for {statistics.median(run['total_run_time'] for run in runs):.1f} s (median)")
    print(f"after: the server's memory {_memory(farm)} MB, its database {_database(farm)} MB")


def _time(run: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(run[name])


def _memory(farm: Farm) -> int:
    (server,) = farm.processes("flows.serving.server")
    return round(server.memory_info().rss / 1e6)


def _database(farm: Farm) -> int:
    return round(sum(file.stat().st_size for file in (farm.home / "farm").glob("prefect.db*")) / 1e6)


if __name__ == "__main__":
    main()
