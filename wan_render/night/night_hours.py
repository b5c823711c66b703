"""The window of a night: from when to when devices may render."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class NightHours:
    """start and until have the zone. until: None without an end."""

    start: datetime
    until: datetime | None
    zone: ZoneInfo


def hours_of(start: str, until: str, timezone: str) -> NightHours:
    """Placeholder until the scheduler's lands."""
    zone = ZoneInfo(timezone or "UTC")
    now = datetime.now(zone)
    begins = now if not start else _next(start, now)
    return NightHours(begins, _next(until, begins) if until else None, zone)


def _next(text: str, after: datetime) -> datetime:
    found = datetime.combine(after.date(), time.fromisoformat(text), after.tzinfo)
    return found if found > after else found + timedelta(days=1)
