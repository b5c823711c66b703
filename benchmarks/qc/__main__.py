"""How well quality control finds faults, and how often it is wrong.

    python -m benchmarks.qc measure [--seed N] [--wild | --everyday | --calm] [--clean N] [--faults N] [--seconds S]
                                   [--workers N] [--cache DIR]
    python -m benchmarks.qc table [--seed N] [--wild | --everyday | --calm] [--all] [--cache DIR]
    python -m benchmarks.qc cost [--cache DIR]

`measure` makes clips and measures them. It stops after S seconds; the same command goes on where it stopped. `table`
judges what was measured. Clips with an even number propose limits, those with an odd number give the rates. Another
seed makes other clips: if none of them set a limit, `--all` lets them all give the rates. `cost` measures the time on
one core. `--wild` makes clips of other footage, and clean ones of other kinds (wild_clips.py): they never set a limit,
so all of them give the rates. So do those of `--everyday`: only clean clips, of kinds that every film has
(everyday_clips.py). DIR, outside of the repository, keeps the packages with the footage and the results.

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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from benchmarks.qc.calm_clips import CALM
from benchmarks.qc.everyday_clips import EVERYDAY
from benchmarks.qc.faults import FAULTS, Specimen, clean
from benchmarks.qc.footage import Footage, gathered, gathered_wild
from benchmarks.qc.harder_clips import HARDER
from benchmarks.qc.rates import cost_table, rate_table
from benchmarks.qc.wild_clips import WILD
from wan_render.quality.measuring import measure

ROUND = 64
"""So many clips are measured before any of them is written down."""

LARGE = (832, 480)
ONLY_CLEAN = {"everyday": EVERYDAY, "calm": CALM}
"""Kinds of clips of which only clean ones are made."""

KINDS = ("wild", *ONLY_CLEAN)

EVERY = 25
"""One clip in so many has the size of a real take."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=("measure", "table", "cost"))
    parser.add_argument("--clean", type=int, default=510, help="clips without a fault")
    parser.add_argument("--faults", type=int, default=30, help="clips for each kind of fault")
    parser.add_argument("--seed", type=int, default=1, help="of the clips")
    parser.add_argument("--wild", action="store_true", help="clips of footage and kinds that set no limit")
    parser.add_argument("--everyday", action="store_true", help="clean clips of everyday kinds, which set no limit")
    parser.add_argument("--calm", action="store_true", help="clean clips in which little moves or can be seen")
    parser.add_argument("--all", action="store_true", help="rate all clips: none of this seed set a limit")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after that long")
    parser.add_argument("--workers", type=int, default=1, help="processes that measure")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "wan-render-qc")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    kind = next((name for name in KINDS if getattr(arguments, name)), None)
    results = arguments.cache / f"measured-{f'{kind}-' if kind else ''}{arguments.seed}.jsonl"
    if arguments.action == "measure":
        faults = {} if kind in ONLY_CLEAN else dict.fromkeys(FAULTS, arguments.faults)
        counts = {"clean": arguments.clean, **faults}
        wanted = [(made, number) for made, count in counts.items() for number in range(count)]
        wanted.sort(key=lambda each: each[1] / counts[each[0]])  # so that an unfinished run has some of each
        with ProcessPoolExecutor(arguments.workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
            clips = ClipSet(arguments.cache, arguments.seed, kind)
            _measure(clips, results, wanted, time.monotonic() + arguments.seconds, pool)
    elif arguments.action == "table":
        print(rate_table(_lines(results), rates_all=arguments.all or kind is not None))
    else:
        print(cost_table(gathered(arguments.cache)))


@dataclass(frozen=True)
class ClipSet:
    """Which clips are made. cache: the folder with the packages. kind: `wild` or `everyday` ones, that set no limit."""

    cache: Path
    seed: int
    kind: str | None = None

    @property
    def footage(self) -> Footage:
        return (gathered_wild if self.kind == "wild" else gathered)(self.cache)

    def specimen(self, footage: Footage, made: str, number: int) -> Specimen:
        """The clip with this number: clean, or with a fault that a check must find."""
        dice = np.random.default_rng((zlib.crc32(made.encode()), number, self.seed))
        size = LARGE if number % EVERY == 12 else None
        if made == "clean":
            if self.kind in ONLY_CLEAN:
                return clean(dice, footage, size, harder=ONLY_CLEAN[self.kind], share=1.0, may_be_open=False)
            return clean(dice, footage, size, harder=WILD if self.kind == "wild" else HARDER)
        return FAULTS[made](dice, footage, size)


def _measure(
    clips: ClipSet, results: Path, wanted: list[tuple[str, int]], until: float, pool: ProcessPoolExecutor
) -> None:
    _footage(clips)
    done = {(row["made"], row["number"]) for row in _lines(results)}
    left = [name for name in wanted if name not in done]
    for at in range(0, len(left), ROUND):
        if time.monotonic() > until:
            print(f"{len(left) - at} clips are left: run the same command again")
            return
        some = left[at : at + ROUND]
        rows = pool.map(_row, repeat(clips), [made for made, _ in some], [number for _, number in some])
        with results.open("a", encoding="utf-8") as target:
            target.writelines(json.dumps(row) + "\n" for row in rows)
    print(f"{len(wanted)} clips are measured")


@lru_cache
def _footage(clips: ClipSet) -> Footage:
    """Once in each process."""
    return clips.footage


def _row(clips: ClipSet, made: str, number: int) -> dict[str, object]:
    specimen = clips.specimen(_footage(clips), made, number)
    found = measure(specimen.frames, specimen.first, specimen.last)
    return {
        "made": made,
        "number": number,
        "kind": specimen.kind,
        "form": specimen.form,
        "size": f"{specimen.frames.shape[2]}x{specimen.frames.shape[1]}",
        "measurements": asdict(found),
    }


def _lines(results: Path) -> Iterator[dict[str, object]]:
    if results.exists():
        yield from map(json.loads, results.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    main()
