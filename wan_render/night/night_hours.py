"""The window of a night: from when to when devices may render. Pure: callers say what time it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wan_render.errors import Problem, UsageError
from wan_render.night.zones import ZONE_EXAMPLES, is_zone, machine_zone
from wan_render.printable import shown

_HOUR_MINUTE = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True)
class NightHours:
    """A window. start and until are in the zone. until: None without an end.

    Python subtracts and compares two times of one zone as if no clock was ever put forward or back. Use these methods,
    or times in UTC.
    """

    start: datetime
    until: datetime | None
    zone: ZoneInfo

    def seconds_to_start(self, now: datetime) -> float:
        """Seconds from now to the start; 0 or less if it has begun. now: with a time zone."""
        return self.start.timestamp() - now.timestamp()

    @property
    def seconds(self) -> float | None:
        """The length of the window; None without an end."""
        return None if self.until is None else self.until.timestamp() - self.start.timestamp()


def hours_of(start: str, until: str, timezone: str, now: datetime) -> NightHours:
    """The window that options mean.

    start, until: times of day, as 22:00; "" for now, and for no end. Within the window it begins now. Outside it begins
                  at the next `start`. It ends at the next `until` after that.
    timezone:     of both; "" for this machine's. now: with a time zone.
    A time that clocks skip moves forward by what they skip. One that they show twice is the first. Raises UsageError
    for what is no time or no zone, and if both times are the same.
    """
    zone = _zone(timezone)
    begins = time_of_day("--start", start) if start else None
    ends = time_of_day("--until", until) if until else None
    if begins is not None and begins == ends:
        raise UsageError(Problem("--until", f"is the same as --start, {shown(until)}", "another time of day"))
    here = now.astimezone(zone)
    if begins is None:
        return NightHours(here, None if ends is None else _next(ends, here), zone)
    if ends is None:
        # `_next` is strictly later; a night that is requested at its start begins at once
        return NightHours(_next(begins, here - timedelta(microseconds=1)), None, zone)
    return _window(begins, ends, here, zone)


def time_of_day(option: str, text: str) -> time:
    """`22:00`. option: what the user wrote it for. Raises UsageError."""
    match = _HOUR_MINUTE.fullmatch(text)
    if match is None:
        raise UsageError(Problem(option, f"invalid time {shown(text)}", "hours and minutes of the day, as 22:00"))
    return time(int(match[1]), int(match[2]))


def _window(begins: time, ends: time, now: datetime, zone: ZoneInfo) -> NightHours:
    """The first window that has not ended. The one of yesterday may still be open."""
    yesterday = now.date() - timedelta(days=1)
    for days in range(4):
        start = _moment(yesterday + timedelta(days), begins, zone)
        until = _next(ends, start)
        if until.timestamp() > now.timestamp():
            return NightHours(start if start.timestamp() > now.timestamp() else now, until, zone)
    raise AssertionError("a time of day occurs every day")


def _next(wanted: time, after: datetime) -> datetime:
    """The next moment after `after`, in its zone, at which clocks show a time."""
    zone = after.tzinfo
    if not isinstance(zone, ZoneInfo):
        raise TypeError(f"expected a time in a zone, got {after}")
    moments = (_moment(after.date() + timedelta(days), wanted, zone) for days in range(3))
    return next(moment for moment in moments if moment.timestamp() > after.timestamp())


def _moment(day: date, wanted: time, zone: ZoneInfo) -> datetime:
    """When clocks of a zone show a time on a day: the first time, if they show it twice. If they skip it, it is counted
    by the clock before the change, so it moves forward."""
    return datetime.combine(day, wanted, zone).astimezone(UTC).astimezone(zone)


def _zone(name: str) -> ZoneInfo:
    if name and not is_zone(name):
        raise UsageError(Problem("--timezone", f"unknown time zone {shown(name)}", f"a name {ZONE_EXAMPLES}"))
    return ZoneInfo(name or machine_zone())
