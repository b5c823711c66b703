"""What limits somebody's own choices propose: takes that were circled, and takes that were refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wan_render.quality.measurements import MEASURING, Measurements
from wan_render.quality.thresholds import THRESHOLDS, Threshold

LEAST_CIRCLED = 20
"""How many circled takes say that a stricter limit is safe: each check may then fail about one good take in twenty."""

LEAST_REFUSED = 3
"""How many refused takes a stricter limit must find. A take may be refused for a reason that no check measures."""

MARGIN = 0.1
"""A limit is moved beyond the worst circled take by this share of its value."""


@dataclass(frozen=True)
class ChosenTake:
    """A take that somebody judged. is_circled: False if it was refused."""

    measurements: Measurements
    is_circled: bool


@dataclass(frozen=True)
class ThresholdProposal:
    """A measure, and what the chosen takes say of its limit.

    fail: the proposed limit; the present one if nothing speaks against it.
    circled, refused: takes that have this measure. circled_failing, refused_failing: those that fail the present limit.
    why: in words.
    """

    threshold: Threshold
    fail: float
    circled: int
    circled_failing: int
    refused: int
    refused_failing: int
    why: str

    @property
    def is_change(self) -> bool:
        """Whether another limit is proposed."""
        return self.fail != self.threshold.fail


def proposed_thresholds(
    takes: Iterable[ChosenTake], thresholds: Sequence[Threshold] = THRESHOLDS
) -> tuple[ThresholdProposal, ...]:
    """A proposal for each limit that makes takes fail, in the order of the table. Takes that were measured by other
    versions of the measures are left out."""
    known = [take for take in takes if take.measurements.version == MEASURING]
    return tuple(_proposal(row, row.fail, known) for row in thresholds if row.fail is not None)


def _proposal(row: Threshold, limit: float, takes: Sequence[ChosenTake]) -> ThresholdProposal:
    sign = 1.0 if row.bad == "high" else -1.0
    circled, refused = (_values(row, sign, takes, is_circled=each) for each in (True, False))
    fail, why = _fail(sign * limit, circled, refused)
    return ThresholdProposal(
        row,
        round(sign * fail, 4),
        len(circled),
        sum(value >= sign * limit for value in circled),
        len(refused),
        sum(value >= sign * limit for value in refused),
        why,
    )


def _values(row: Threshold, sign: float, takes: Iterable[ChosenTake], *, is_circled: bool) -> list[float]:
    """Values of a measure, large ones bad."""
    chosen = [take for take in takes if take.is_circled is is_circled]
    return [sign * value for take in chosen if (value := take.measurements.values.get(row.measure)) is not None]


def _fail(limit: float, circled: Sequence[float], refused: Sequence[float]) -> tuple[float, str]:
    """The limit, large values bad, and why."""
    if not circled:
        return limit, "no circled take has this measure"
    worst = max(circled)
    beyond = worst + MARGIN * abs(worst)
    if worst >= limit:
        failing = sum(value >= limit for value in circled)
        return beyond, f"{failing} circled takes fail it"
    missed = sorted(value for value in refused if beyond < value < limit)
    if len(circled) < LEAST_CIRCLED or len(missed) < LEAST_REFUSED:
        return limit, "nothing speaks against it"
    return (beyond + missed[0]) / 2, f"it would find {len(missed)} more refused takes, and no circled one"
