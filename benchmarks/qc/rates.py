"""Measured clips → how many are judged rightly, with 95 % bounds, and what limits they propose."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from benchmarks.qc.footage import Footage
from wan_render.quality.measurements import Measurements
from wan_render.quality.measuring import measure
from wan_render.quality.thresholds import CHECKS, THRESHOLDS, Threshold
from wan_render.quality.verdicts import Judgement, QcVerdict, judge

FRAMES = 81


@dataclass(frozen=True)
class Judged:
    """A clip, its values and its judgement. made: `clean`, or the check whose fault it has."""

    made: str
    number: int
    kind: str
    form: str
    values: Measurements
    judgement: Judgement

    @property
    def fails(self) -> tuple[str, ...]:
        return self.judgement.named(QcVerdict.FAIL)


def judged(rows: Iterable[dict[str, Any]]) -> list[Judged]:
    """Each clip once, whatever ran beside each other."""
    found = []
    for row in {(row["made"], row["number"]): row for row in rows}.values():
        values = Measurements(**row["measurements"])
        values = replace(values, values=MappingProxyType(dict(values.values)))
        found.append(Judged(row["made"], row["number"], row["kind"], row["form"], values, judge(values)))
    return found


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % bounds of a rate (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    z, rate = 1.959964, hits / of
    centre = rate + z * z / (2 * of)
    spread = z * np.sqrt(rate * (1 - rate) / of + z * z / (4 * of * of))
    return max(0.0, float((centre - spread) / (1 + z * z / of))), min(1.0, float((centre + spread) / (1 + z * z / of)))


def rate_table(rows: Iterable[dict[str, Any]], *, rates_all: bool = False) -> str:
    every = judged(rows)
    rated = [clip for clip in every if rates_all or clip.number % 2]
    clean = [clip for clip in rated if clip.made == "clean"]
    lines = [
        "| check | faults found by it | by any check | clean clips that fail it | flagged |",
        "|---|---|---|---|---|",
    ]
    for check in CHECKS:
        faulty = [clip for clip in rated if clip.made == check]
        lines.append(
            f"| `{check}` | {_rate(sum(check in clip.fails for clip in faulty), len(faulty))}"
            f" | {_rate(sum(bool(clip.fails) for clip in faulty), len(faulty))}"
            f" | {_rate(sum(check in clip.fails for clip in clean), len(clean))}"
            f" | {sum(check in clip.judgement.named(QcVerdict.FLAG) for clip in clean)} |"
        )
    faulty = [clip for clip in rated if clip.made != "clean"]
    lines.append(
        f"| all | {_rate(sum(clip.made in clip.fails for clip in faulty), len(faulty))}"
        f" | {_rate(sum(bool(clip.fails) for clip in faulty), len(faulty))}"
        f" | {_rate(sum(bool(clip.fails) for clip in clean), len(clean))}"
        f" | {sum(clip.judgement.verdict is QcVerdict.FLAG for clip in clean)} |"
    )
    return "\n".join([*lines, "", *_proposals(every), "", *_mistakes(every)])


def _rate(hits: int, of: int) -> str:
    low, high = wilson(hits, of)
    return f"{hits} of {of}: {100 * hits / max(1, of):.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def _proposals(every: Sequence[Judged]) -> list[str]:
    """For each measure: the worst clean clips and the mildest faults of the calibrating half, and the limit between."""
    half = [clip for clip in every if clip.number % 2 == 0]
    lines = ["| measure | clean 99 % | clean worst | faults 5 % | between | limit |", "|---|---|---|---|---|---|"]
    for row in THRESHOLDS:
        clean = _values(half, "clean", row)
        faulty = _values(half, row.check, row)
        if len(clean) and len(faulty):
            ends = [float(np.quantile(clean, 0.99)), float(clean.max()), float(np.quantile(faulty, 0.05))]
            between = ends[1] + (ends[2] - ends[1]) / 2
            words = " | ".join(f"{_signed(value, row):.3g}" for value in (*ends, between))
            lines.append(f"| `{row.check}` {row.measure} | {words} | {row.fail} |")
    return lines


def _values(clips: Sequence[Judged], made: str, row: Threshold) -> Any:
    """Values of a measure, large ones bad."""
    found = [clip.values.values.get(row.measure) for clip in clips if clip.made == made]
    return np.array([value if row.bad == "high" else -value for value in found if value is not None])


def _signed(value: float, row: Threshold) -> float:
    return value if row.bad == "high" else -value


def _mistakes(every: Sequence[Judged]) -> list[str]:
    lines = []
    for clip in every:
        half = "rated" if clip.number % 2 else "calibrating"
        if clip.made == "clean" and clip.fails:
            why = {
                check: (clip.judgement.checks[check].measure, clip.judgement.checks[check].value)
                for check in clip.fails
            }
            lines.append(f"false alarm: clean {clip.number} ({half}): {clip.kind}, {clip.values.frames} frames: {why}")
        elif clip.made != "clean" and clip.made not in clip.fails:
            found = clip.judgement.checks[clip.made]
            lines.append(
                f"missed: {clip.made} {clip.number} ({half}): {clip.form}; {clip.kind}, {clip.values.frames} frames:"
                f" {found.measure} {found.value}; fails {', '.join(clip.fails) or 'nothing'}"
            )
    return lines


def cost_table(footage: Footage) -> str:
    """Seconds of one core for a clip of the size of a take, with both keyframes."""
    shot = footage.shots[0][:FRAMES]
    clip = np.stack([cv2.resize(frame, (832, 480), interpolation=cv2.INTER_AREA) for frame in shot])
    taken = []
    for _ in range(5):
        start = time.process_time()
        measure(clip, clip[0], clip[-1])
        taken.append(time.process_time() - start)
    return f"{len(clip)} frames of 832x480: {min(taken):.2f} to {max(taken):.2f} s of one core, five runs"
