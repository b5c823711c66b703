"""The overhead of Prefect per shot: the flow `film` compared with `wan-render render` in the terminal.

    python -m benchmarks.flow_overhead                   films of 4 and of 64 shots, three rounds
    python -m benchmarks.flow_overhead --shots 4 16 --rounds 1

The films have tiny shots (64x64, 17 frames, the animatic), so that rendering hides nothing. Every round renders other
pictures, so nothing is reused. Both sides use the same single device and take turns, and the order changes every round.
Seconds are medians. Terminal: wall time of the command. Flow: wall time of the run from Running to its end, on a server
and a worker started by `python -m flows.farm`. Requested: from the request for the run to its end. The cost per shot is
the difference between a long and a short film, divided by the difference in shots.

Prediction, written before the first run: 25 ms per shot (a task run has five events and as many log lines, and its
thread shares the GIL with the flow's), and 6 s from the request to Running: up to 3 s until the worker polls, then two
starts of Python. For a shot of five minutes that is negligible. The flow's benefits are its chart, queue and schedule.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tests.flows.conftest import PROJECT, Farm, environment, start
from tests.flows.films import write_film
from tests.ports import free_port

Seconds = defaultdict[tuple[str, int], list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description="The Prefect flow's overhead over `wan-render render`.")
    parser.add_argument("--shots", type=int, nargs=2, default=[4, 64])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        variables = environment(home, free_port())
        del variables["PREFECT_WORKER_QUERY_SECONDS"]  # use the default, as users do
        farm = start(home, variables)
        try:
            _report(_measure(farm, arguments.shots, arguments.rounds), arguments.shots)
        finally:
            farm.stop()


def _measure(farm: Farm, sizes: list[int], rounds: int) -> Seconds:
    seconds: Seconds = defaultdict(list)
    sides: list[Callable[[Farm, Path, int, Seconds], None]] = [_terminal, _flow]
    for turn in range(rounds):
        for shots in sizes:
            for side in sides if turn % 2 else reversed(sides):
                name = f"{side.__name__}-{shots}-{turn}".strip("_")
                side(farm, write_film(farm.home / "films" / name, shots), shots, seconds)
    return seconds


def _terminal(farm: Farm, film: Path, shots: int, seconds: Seconds) -> None:
    command = [sys.executable, "-m", "wan_render.cli", "render", "--backend", "animatic", str(film)]
    began = time.perf_counter()
    subprocess.run(command, cwd=PROJECT, env=farm.environment, check=True, capture_output=True)
    seconds["terminal", shots].append(time.perf_counter() - began)


def _flow(farm: Farm, film: Path, shots: int, seconds: Seconds) -> None:
    run = farm.run("film/now", storyboard=str(film))
    state = farm.ended(run, 600)
    assert state["name"] == "Completed", state
    times = farm.ask("GET", f"/flow_runs/{run}")
    requested, running, ended = (datetime.fromisoformat(times[each]) for each in ("created", "start_time", "end_time"))
    seconds["flow", shots].append((ended - running).total_seconds())
    seconds["requested", shots].append((ended - requested).total_seconds())


def _report(seconds: Seconds, sizes: list[int]) -> None:
    few, many = sizes
    print(f"{'':10}{few:>6} shots{many:>6} shots{'a shot':>12}")
    a_shot = {}
    for side in ("terminal", "flow", "requested"):
        short, long = (statistics.median(seconds[side, shots]) for shots in sizes)
        a_shot[side] = (long - short) / (many - few)
        print(f"{side:10}{short:>10.2f} s{long:>10.2f} s{1000 * a_shot[side]:>9.0f} ms")
    print(f"the flow adds {1000 * (a_shot['flow'] - a_shot['terminal']):.0f} ms a shot")


if __name__ == "__main__":
    main()
