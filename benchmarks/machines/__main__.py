"""One film of forty takes on two machines, by each way there is: python -m benchmarks.machines [WAY…]

The machines are processes of this one (studio.py). Every frame of the slow animatic sleeps, so that two machines take
half the time of one however many cores there are. By each way one machine is killed when half of the takes are there.
What must hold: the films are equal, byte for byte; each take is published once; no take is begun twice but those that
the dead machine held.

Predicted before the first run: two machines of which one dies in the middle need 0.75 of the time of one, and the lease
of the take that died (30 s here). By the work pool one machine at a time renders a film, so it needs all of the time,
and the 120 s until the farm believes that the machine is dead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machines.studio import Studio
from benchmarks.machines.ways import WAYS

ALONE = "one machine"


@dataclass(frozen=True)
class Result:
    """How a film went by one way.

    begun: how many renders were begun. lost: how many takes the dead machine held. again: takes that were begun again
    though nobody had lost them. film: its digest.
    """

    way: str
    seconds: float
    published: int
    begun: int
    lost: int
    again: frozenset[str]
    film: str


def main() -> int:
    """Measure the ways, print a table. 1 if something does not hold."""
    asked = _arguments()
    results: list[Result] = []
    for way in dict.fromkeys((ALONE, *(asked.ways or WAYS))):
        folder = Path(tempfile.mkdtemp(prefix="wan-render-machines-"))
        try:
            results.append(_measured(way, folder, asked))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(_row(results[-1], results[0]), flush=True)
    wrong = [each.way for each in results if not _holds(each, results[0], asked.takes)]
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"\n{asked.takes} takes; lease {asked.lease:.0f} s; load at the end: {load}")
    for way in wrong:
        print(f"does not hold: {way}", file=sys.stderr)
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machines")
    parser.add_argument("ways", nargs="*", choices=[[], *WAYS], help="default: all")
    parser.add_argument("--takes", type=int, default=40)
    parser.add_argument("--step", type=float, default=0.4, help="seconds that each of the nine frames of a take sleeps")
    parser.add_argument("--lease", type=float, default=30.0)
    parser.add_argument("--nobody-dies", action="store_true")
    return parser.parse_args()


def _measured(way: str, folder: Path, asked: argparse.Namespace) -> Result:
    studio = Studio(folder, asked.takes, asked.step, asked.lease, kills=way != ALONE and not asked.nobody_dies)
    studio.write()
    began = time.monotonic()
    WAYS[way](studio)
    seconds = time.monotonic() - began
    if studio.kills:
        assert studio.dead, f"{way}: nobody died"
    counts = (studio.published, studio.begun.total(), len(studio.lost))
    return Result(way, seconds, *counts, frozenset(studio.begun_again), studio.film_digest())


def _row(result: Result, alone: Result) -> str:
    share, equal = result.seconds / alone.seconds, result.film == alone.film
    counts = f"{result.published} published, {result.begun} begun, {result.lost} lost"
    return f"| {result.way} | {result.seconds:.0f} s | {share:.2f} | {counts} | {'equal' if equal else 'differs'} |"


def _holds(result: Result, alone: Result, takes: int) -> bool:
    return result.film == alone.film and result.published == takes and not result.again


if __name__ == "__main__":
    sys.exit(main())
