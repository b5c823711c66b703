"""Random nights, rendered by the real scheduler and its threads, on a farm and by a clock that are simulated.

    python -m benchmarks.nights
    python -m benchmarks.nights --nights 5 --seed 1000

A night has 1 to 8 devices and 10 to 25 takes for each, of 8 s to 20 min (uniform in the logarithm). There are two
models, which take 35 s to load, LoRAs, chains of up to six takes (`from: previous`), second takes, and films with a
priority. Estimates are up to 30 % too high or too low: in half of the nights for each take on its own, in the others
for all takes of a model alike. Every night is rendered three times: without a window; without one in the given order,
as films were rendered one after the other before; and in a window of 20 to 90 % of the time that it needs.

The bound is max(work / devices, longest chain), without any loading. No schedule can end earlier.

Prediction, written before the first run of this program, but after the policy was tuned on these nights in a simulation
without threads: makespan 1.04 times the bound on average and 1.10 at most, in the given order 1.17; 0.1 % of the takes
overrun the window, by 10 s at most; devices are idle for 0.1 median takes while a take that fits waits.
"""

from __future__ import annotations

import argparse
import time
from random import Random

import pandas as pd

from benchmarks.nights.outcome import NightOutcome, hold
from benchmarks.nights.random_night import RandomNight, random_night
from wan_render.farm.ordering.policy import GivenOrder

MAKESPAN, OVERRUN_SHARE, OVERRUN_SECONDS, IDLE = 1.08, 0.02, 60.0, 0.5
"""Targets: the mean makespan over the bound; the share of takes that overrun a window, and by how many seconds at most;
the mean idle time before its end, in median takes, while a take that fits waits."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Random nights against what is possible.")
    parser.add_argument("--nights", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first night")
    arguments = parser.parse_args()
    began = time.monotonic()
    measured = table(range(arguments.seed, arguments.seed + arguments.nights))
    print(measured.groupby("devices").agg(**_COLUMNS).round(3).to_string())
    print()
    for line in summary(measured):
        print(line)
    print(f"{arguments.nights} nights from seed {arguments.seed}: {time.monotonic() - began:.0f} s")


_COLUMNS = {
    "nights": ("takes", "size"),
    "takes": ("takes", "sum"),
    "makespan": ("makespan", "mean"),
    "at most": ("makespan", "max"),
    "given order": ("given", "mean"),
    "in windows": ("in_window", "sum"),
    "overrun": ("overran", "sum"),
    "by at most": ("overrun", "max"),
    "idle": ("idle", "mean"),
}


def table(seeds: range) -> pd.DataFrame:
    """One row for each night; see `summary` for the columns."""
    return pd.DataFrame([_row(random_night(seed), seed) for seed in seeds]).set_index("seed")


def window_of(night: RandomNight, seed: int) -> float:
    """Seconds of the night's window: 20 to 90 % of the bound."""
    return night.bound * Random(seed).uniform(0.2, 0.9)  # noqa: S311 - not for cryptography


def _row(night: RandomNight, seed: int) -> dict[str, float]:
    whole, given = hold(night), hold(night, policy=GivenOrder())
    part: NightOutcome = hold(night, window_of(night, seed))
    return {
        "seed": seed,
        "devices": len(night.devices),
        "takes": len(night.orders),
        "makespan": whole.makespan / night.bound,
        "given": given.makespan / night.bound,
        "in_window": len(part.takes),
        "overran": len(part.overruns),
        "overrun": max(part.overruns, default=0.0),
        "idle": sum(part.idle) / len(part.idle),
    }


def summary(measured: pd.DataFrame) -> list[str]:
    """What was measured, with the targets."""
    share = measured["overran"].sum() / max(measured["in_window"].sum(), 1)
    return [
        f"makespan / bound: {measured['makespan'].mean():.3f} on average (target {MAKESPAN}), "
        f"{measured['makespan'].max():.3f} at most; in the given order {measured['given'].mean():.3f}",
        f"takes that overrun a window: {share:.2%} (target {OVERRUN_SHARE:.0%}), "
        f"by {measured['overrun'].max():.0f} s at most (target {OVERRUN_SECONDS:.0f} s)",
        f"idle while a take that fits waits: {measured['idle'].mean():.3f} median takes on average (target {IDLE})",
    ]


if __name__ == "__main__":
    main()
