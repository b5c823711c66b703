"""How well quality control finds faults, and how often it is wrong.

    python -m benchmarks.qc measure [--seed N] [--clean N] [--faults N] [--seconds S] [--cache DIR]
    python -m benchmarks.qc table [--seed N] [--all] [--cache DIR]
    python -m benchmarks.qc cost [--cache DIR]

`measure` makes clips and measures them. It stops after S seconds; the same command goes on where it stopped. `table`
judges what was measured. Clips with an even number propose limits, those with an odd number give the rates. Another
seed makes other clips: if none of them set a limit, `--all` lets them all give the rates. `cost` measures the time on
one core. DIR, outside of the repository, keeps the packages with the footage and the results.

Predicted before the first complete run: no check alarms falsely in more than 0.5 % of clean clips, all together in 1 %;
every kind of fault is found in 97 % or more, but noise in 92 %, because coarse blocks look like content, and freezes in
94 %, because a clip that hardly moves hardly freezes; 0.4 s for 81 frames of 832x480.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from benchmarks.qc.faults import FAULTS, Specimen, clean
from benchmarks.qc.footage import Footage, gathered
from benchmarks.qc.rates import cost_table, rate_table
from wan_render.quality.measuring import measure

LARGE = (832, 480)
EVERY = 25
"""One clip in so many has the size of a real take."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=("measure", "table", "cost"))
    parser.add_argument("--clean", type=int, default=510, help="clips without a fault")
    parser.add_argument("--faults", type=int, default=30, help="clips for each kind of fault")
    parser.add_argument("--seed", type=int, default=1, help="of the clips")
    parser.add_argument("--all", action="store_true", help="rate all clips: none of this seed set a limit")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after that long")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "wan-render-qc")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = arguments.cache / f"measured-{arguments.seed}.jsonl"
    if arguments.action == "measure":
        counts = {"clean": arguments.clean, **dict.fromkeys(FAULTS, arguments.faults)}
        wanted = [(made, number) for made, count in counts.items() for number in range(count)]
        wanted.sort(key=lambda each: each[1] / counts[each[0]])  # so that an unfinished run has some of each
        _measure(arguments.cache, results, wanted, arguments.seed, time.monotonic() + arguments.seconds)
    elif arguments.action == "table":
        print(rate_table(_lines(results), rates_all=arguments.all))
    else:
        print(cost_table(gathered(arguments.cache)))


def _measure(cache: Path, results: Path, wanted: list[tuple[str, int]], seed: int, until: float) -> None:
    footage = gathered(cache)
    done = {(row["made"], row["number"]) for row in _lines(results)}
    left = [name for name in wanted if name not in done]
    for at, (made, number) in enumerate(left):
        if time.monotonic() > until:
            print(f"{len(left) - at} clips are left: run the same command again")
            return
        with results.open("a", encoding="utf-8") as target:
            target.write(json.dumps(_row(footage, made, number, seed)) + "\n")
    print(f"{len(wanted)} clips are measured")


def _row(footage: Footage, made: str, number: int, seed: int) -> dict[str, object]:
    specimen = specimen_of(footage, made, number, seed)
    found = measure(specimen.frames, specimen.first, specimen.last)
    size = f"{specimen.frames.shape[2]}x{specimen.frames.shape[1]}"
    return {
        "made": made,
        "number": number,
        "kind": specimen.kind,
        "form": specimen.form,
        "size": size,
        "measurements": asdict(found),
    }


def specimen_of(footage: Footage, made: str, number: int, seed: int) -> Specimen:
    """The clip with this number: clean, or with a fault that a check must find."""
    dice = np.random.default_rng((zlib.crc32(made.encode()), number, seed))
    size = LARGE if number % EVERY == 12 else None
    return clean(dice, footage, size) if made == "clean" else FAULTS[made](dice, footage, size)


def _lines(results: Path) -> Iterator[dict[str, object]]:
    if results.exists():
        yield from map(json.loads, results.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    main()
