"""Measurements → pass, flag or fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wan_render.quality.measurements import Measurements
from wan_render.quality.thresholds import CHECKS, THRESHOLDS, Threshold

MOST_STRAIN = 100.0


class QcVerdict(StrEnum):
    """What a check says of a clip. Only FAIL may cost GPU time."""

    PASS = "pass"  # noqa: S105 - not a password
    FLAG = "flag"
    FAIL = "fail"

    @property
    def severity(self) -> int:
        """0 for pass, 1 for flag, 2 for fail."""
        return list(QcVerdict).index(self)


@dataclass(frozen=True)
class QcResult:
    """The result of one check: of the worst of its measures, of equals the first in the table.

    measure, value: None if the check does not apply; then so are the others.
    threshold: from where on it fails; from where on it is flagged if it never fails.
    frame:     where it is, counted from 0; None if it has no place.
    strain:    how far it went towards the threshold: 1 reaches it.
    """

    measure: str | None = None
    value: float | None = None
    threshold: float | None = None
    verdict: QcVerdict | None = None
    frame: int | None = None
    strain: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """`value`, `threshold` and `verdict`."""
        return {"value": self.value, "threshold": self.threshold, "verdict": self.verdict}


@dataclass(frozen=True)
class Judgement:
    """The verdict on a clip, and the result of each check by its name, in the order of CHECKS."""

    verdict: QcVerdict
    checks: Mapping[str, QcResult]

    def to_json(self) -> dict[str, Any]:
        """`verdict`, and `checks` by name."""
        return {"verdict": self.verdict, "checks": {name: result.to_json() for name, result in self.checks.items()}}

    def named(self, verdict: QcVerdict) -> tuple[str, ...]:
        """The checks that have this verdict."""
        return tuple(name for name, result in self.checks.items() if result.verdict == verdict)

    @property
    def badness(self) -> float:
        """Orders clips that failed, the best first: by the number of failed checks, then by how far they failed."""
        failed = [result.strain for result in self.checks.values() if result.verdict is QcVerdict.FAIL]
        return len(failed) + sum(1 - 1 / max(1.0, strain) for strain in failed) / (len(failed) + 1)


def judge(measurements: Measurements, thresholds: Iterable[Threshold] = THRESHOLDS) -> Judgement:
    """The verdict: that of the worst check. A clip to which no check applies passes."""
    rows = tuple(thresholds)
    checks = {name: _worst(measurements, [row for row in rows if row.check == name]) for name in CHECKS}
    found = [result.verdict for result in checks.values() if result.verdict is not None]
    return Judgement(max(found, key=lambda verdict: verdict.severity, default=QcVerdict.PASS), checks)


def _worst(measurements: Measurements, rows: Iterable[Threshold]) -> QcResult:
    results = [result for row in rows if (result := _result(measurements, row)).verdict is not None]
    return max(results, key=_severity, default=QcResult())


def _result(measurements: Measurements, row: Threshold) -> QcResult:
    value = measurements.values.get(row.measure)
    if value is None:
        return QcResult()
    limit = row.flag if row.fail is None else row.fail
    place = measurements.places.get(row.measure)
    return QcResult(row.measure, value, limit, _verdict(value, row), place, _strain(value, limit, row))


def _verdict(value: float, row: Threshold) -> QcVerdict:
    if row.fail is not None and _reaches(value, row.fail, row):
        return QcVerdict.FAIL
    return QcVerdict.FLAG if _reaches(value, row.flag, row) else QcVerdict.PASS


def _reaches(value: float, limit: float, row: Threshold) -> bool:
    return value >= limit if row.bad == "high" else value <= limit


def _severity(result: QcResult) -> int:
    return -1 if result.verdict is None else result.verdict.severity


def _strain(value: float, limit: float, row: Threshold) -> float:
    part, whole = (value, limit) if row.bad == "high" else (limit, value)
    return min(part / whole, MOST_STRAIN) if whole > 0 else MOST_STRAIN
