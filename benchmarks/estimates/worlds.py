"""Simulated measurements, in worlds whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pandas as pd

from wan_render.backends import backend
from wan_render.estimates import MeasuredTimes, TakeTime, spread
from wan_render.store import TakeSeconds
from wan_render.take import Sampling, Size, Take

COUNTS = (0, 3, 10, 50)
"""After how many takes an estimate is compared."""

RUN = 20
"""Takes of a run whose range is checked."""

BEGIN = datetime(2026, 11, 27, tzinfo=UTC)
WAN = backend("wan")
TAKE = Take(WAN.id, "model", None, None, "", "", 81, Size(832, 480), Fraction(16), 1, Sampling(50, (5.0,), 5.0))
OTHER_LENGTH = replace(TAKE, frames=49, sampling=Sampling(30, (5.0,), 5.0))


@dataclass(frozen=True)
class World:
    """How long takes really take.

    scatter:  of equal takes, standard deviation of the logarithm. slow: the share of takes that are twice as slow.
    change:   by which factor the pace changes after half of the takes.
    measured: what was measured; `TAKE` is predicted.
    """

    name: str
    scatter: float
    device: str
    slow: float = 0.0
    change: float = 1.0
    measured: Take = TAKE


WORLDS = (
    World("gpu", 0.02, "cuda"),
    World("gpu, another one changes pace", 0.02, "cuda", change=1.2),
    World("gpu, other frames and steps", 0.02, "cuda", measured=OTHER_LENGTH),
    World("cpu", 0.15, "cpu"),
    World("cpu, one take of twenty is slow", 0.15, "cpu", slow=0.05),
    World("busy cpu", 0.3, "cpu"),
)


def simulated(worlds: int) -> pd.DataFrame:
    """One row for each world and count: median error of the estimate, and how often the ranges hold."""
    seeds = range(worlds)
    rows = [row for world in WORLDS for seed in seeds for row in _of_world(world, Random(seed))]  # noqa: S311 - simulated times
    table = pd.DataFrame(rows)
    grouped = table.groupby(["world", "takes"], sort=False)
    return grouped.mean().assign(error=grouped["error"].median()).reset_index()


def _of_world(world: World, dice: Random) -> Iterator[dict[str, Any]]:
    pace = dice.lognormvariate(0, 0.5)
    takes = [_seconds(world, world.measured, pace * (world.change if at >= 25 else 1.0), dice) for at in range(50)]
    lines = [_line(world.measured, world.device, seconds, at) for at, seconds in enumerate(takes)]
    for count in COUNTS:
        now = pace * (world.change if count > 25 else 1.0)
        known = MeasuredTimes(lines[:count], WAN, world.device, ("a device",)).time(TAKE, 3.4)
        yield {"world": world.name, "takes": count, **_compared(world, known, now, dice)}


def _compared(world: World, known: TakeTime, pace: float, dice: Random) -> dict[str, float]:
    coming = [sum(_seconds(world, TAKE, pace, dice).values()) for _ in range(RUN)]
    true = sum(_seconds(replace(world, scatter=0.0, slow=0.0), TAKE, pace, dice).values())
    low, high = spread([known] * RUN).around(known.seconds * RUN)
    return {
        "error": abs(known.seconds / true - 1),
        "range holds": sum(known.low <= seconds <= known.high for seconds in coming) / RUN,
        "range of 20 holds": float(low <= sum(coming) <= high),
        "high / low": known.high / known.low,
        "of 20": high / low,
    }


def _seconds(world: World, take: Take, pace: float, dice: Random) -> dict[str, float]:
    """What a take takes: encoding, steps that grow with frames as in the backend's estimate, decoding and writing."""
    longer = take.frames / 81
    off = dice.lognormvariate(0, world.scatter) * (2.0 if dice.random() < world.slow else 1.0)
    on_h200 = WAN.expected_seconds(TAKE, world.device) / 244
    steps = on_h200 * take.sampling.steps * 4.82 * (0.48 * longer + 0.52 * longer**2)
    parts = {"encoding": on_h200 * 0.9, "step": steps, "decoding": on_h200 * 2 * longer, "writing": 3.4 * longer}
    return {phase: seconds * pace * off for phase, seconds in parts.items()}


def _line(take: Take, device: str, seconds: Mapping[str, float], at: int) -> TakeSeconds:
    return TakeSeconds(
        key=f"{at:064}",
        made=BEGIN + timedelta(minutes=at),
        backend=take.backend,
        model=take.model,
        kind=take.kind.value,
        width=take.size.width,
        height=take.size.height,
        frames=take.frames,
        steps=take.sampling.steps,
        guidance=take.sampling.guidance,
        profile=take.sampling.profile,
        variant=take.sampling.variant,
        device=device,
        label="a device",
        devices=1,
        seconds=seconds,
    )
