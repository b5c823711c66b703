"""What a shot costs more under Prefect than in the terminal: the flow `film` against `wan-render render`.

    python -m benchmarks.flow_overhead                   films of 4 and of 64 shots, three rounds
    python -m benchmarks.flow_overhead --shots 4 16 --rounds 1

Films of tiny shots (64x64, 17 frames, the animatic), so that rendering hides nothing; every round renders other
pictures, so nothing is reused. Both sides render on the same one device, in turns, the order changing each round;
seconds are medians. Terminal: wall time of the command. Flow: wall time of its run from Running to its end, on a server
and a worker that `python -m flows.farm` started; asked: from asking for the run to its end. What grows with the film is
the difference between the long and the short one, divided by the shots between them.

Prediction, written before the first run: 25 ms a shot (a task run is five events and as many log lines, and its thread
waits in line with the flow's own), and 6 s from asking to Running: up to 3 s until the worker looks, then two starts of
Python. On a shot of five minutes that is nothing; the flow is for its chart, its queue and its schedule.
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

from tests.flows.conftest import PROJECT, Farm, environment, free_port, start
from tests.flows.films import write_film

Seconds = defaultdict[tuple[str, int], list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description="The Prefect flow's overhead over `wan-render render`.")
    parser.add_argument("--shots", type=int, nargs=2, default=[4, 64])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        variables = environment(home, free_port())
        del variables["PREFECT_WORKER_QUERY_SECONDS"]  # what a user has
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
    asked, running, ended = (datetime.fromisoformat(times[each]) for each in ("created", "start_time", "end_time"))
    seconds["flow", shots].append((ended - running).total_seconds())
    seconds["asked", shots].append((ended - asked).total_seconds())


def _report(seconds: Seconds, sizes: list[int]) -> None:
    few, many = sizes
    print(f"{'':10}{few:>6} shots{many:>6} shots{'a shot':>12}")
    a_shot = {}
    for side in ("terminal", "flow", "asked"):
        short, long = (statistics.median(seconds[side, shots]) for shots in sizes)
        a_shot[side] = (long - short) / (many - few)
        print(f"{side:10}{short:>10.2f} s{long:>10.2f} s{1000 * a_shot[side]:>9.0f} ms")
    print(f"the flow adds {1000 * (a_shot['flow'] - a_shot['terminal']):.0f} ms a shot")


if __name__ == "__main__":
    main()
