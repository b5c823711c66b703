"""Measurements without those of some checks: for previews whose way of drawing looks like a fault."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from wan_render.quality.measurements import Measurements
from wan_render.quality.thresholds import THRESHOLDS


def without_checks(measurements: Measurements, checks: Iterable[str]) -> Measurements:
    """The measurements, in which these checks do not apply. A measure that another check needs is kept."""
    dropped = frozenset(checks)
    needed = {row.measure for row in THRESHOLDS if row.check not in dropped}
    gone = {row.measure for row in THRESHOLDS} - needed
    values = {name: None if name in gone else value for name, value in measurements.values.items()}
    places = {name: at for name, at in measurements.places.items() if name not in gone}
    return replace(measurements, values=values, places=places)
