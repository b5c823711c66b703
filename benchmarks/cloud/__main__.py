"""`python -m benchmarks.cloud`: a campaign of random sequences, and a table of how they ended."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cloud.fault_sequence import Ended, run_sequence
from benchmarks.cloud.remembered_videos import remembered_videos
from tests.backends.dashscope.buying import Buyer
from tests.fake_model_studio import FakeService, serving, variables

STARTING_SECONDS, RUN_SECONDS = 1.0, 2.5
"""A process takes about so long to start, and a run of three takes so much longer."""


def main() -> int:
    """Print what does not hold, then the table. 1 if anything does not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cloud")
    parser.add_argument("--sequences", type=int, default=1000, help="simulated sequences")
    parser.add_argument("--kills", type=int, default=20, help="sequences with real processes and kill -9")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    since = time.monotonic()
    with remembered_videos():
        ended = [_ended(arguments.first + at, None) for at in range(arguments.sequences)]
    ended += [_ended(1_000_000 + arguments.first + at, _killed_run) for at in range(arguments.kills)]
    broken = [each for each in ended if each.broken]
    for each in broken:
        print(f"seed {each.seed}: {'; '.join(each.broken)}")
    states = sum((each.states for each in ended), Counter())
    print(
        f"sequences {len(ended)}, kills {sum(each.kills for each in ended)}, tasks {sum(each.tasks for each in ended)}"
    )
    print(", ".join(f"{state.value} {count}" for state, count in sorted(states.items())))
    print(f"sequences in which something does not hold: {len(broken)}; {time.monotonic() - since:.0f} s")
    return 1 if broken else 0


def _ended(seed: int, run: Callable[[Buyer, random.Random], bool] | None) -> Ended:
    with TemporaryDirectory(prefix="cloud-") as folder, serving(FakeService()) as service:
        os.environ.update(variables(service))
        return run_sequence(seed, Path(folder), service, run)


def _killed_run(buyer: Buyer, dice: random.Random) -> bool:
    """A run in a process of its own, killed at a random moment."""
    command = [sys.executable, "-m", "benchmarks.cloud.one_run", str(buyer.root), buyer.budget]
    process = subprocess.Popen(command)
    try:
        process.wait(STARTING_SECONDS + dice.uniform(0, RUN_SECONDS))
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() != 0


if __name__ == "__main__":
    sys.exit(main())
