"""Times as people in a terminal type and read them: by this machine's clock and time zone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from wan_render.night.night_hours import time_of_day


def next_occurrence(text: str, now: datetime) -> datetime:
    """The next moment after `now` at which clocks here show `22:00`.

    `now` has a time zone. Raises UsageError for what is no time.
    """
    wanted = time_of_day("--at", text)
    today = now.astimezone().date()
    moments = (moment for days in range(3) for moment in _moments(today + timedelta(days), wanted))
    return next(moment for moment in moments if moment > now)


def _moments(day: date, wanted: time) -> list[datetime]:
    """When clocks here show a time on a day: twice if they are put back, and never if they skip it. Then it is the
    later of the two moments that it could mean."""
    moments = sorted(datetime.combine(day, wanted.replace(fold=fold)).astimezone() for fold in (0, 1))
    shown_at = [moment for moment in moments if moment.time() == wanted]
    return shown_at or moments[-1:]


def local_clock(moment: datetime, now: datetime) -> str:
    """`22:40` today; `Sat 22:40` within a week; `2026-12-24 22:40` else."""
    here, today = moment.astimezone(), now.astimezone().date()
    days = (here.date() - today).days
    return here.strftime("%H:%M" if days == 0 else "%a %H:%M" if 0 < days < 7 else "%Y-%m-%d %H:%M")


def local_clock_with_zone(moment: datetime, now: datetime) -> str:
    """`Sat 22:40 CET`."""
    return f"{local_clock(moment, now)} {moment.astimezone():%Z}"
