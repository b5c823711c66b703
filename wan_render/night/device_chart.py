"""When each device of a night rendered, as a chart: bars and hours in per cent of its width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from wan_render.night.night_record import BusySpan, DeviceEntry, NightRecord

_STEPS = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 60, 300, 600, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600)
)
"""Distances of the marks on the axis. The shortest is used that gives at most MOST_MARKS."""

MOST_MARKS = 10

LAST_MARK = 94.0
"""In per cent: there is room for its text."""


@dataclass(frozen=True)
class Bar:
    """A take on a device. left, width: in per cent of the chart. text: which take, from when to when."""

    left: float
    width: float
    text: str
    failed: bool


@dataclass(frozen=True)
class Row:
    """A device. busy: the share of the chart's time in which it rendered, 0 to 1."""

    name: str
    label: str
    bars: tuple[Bar, ...]
    busy: float
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """A time on the axis. left: in per cent of the chart."""

    left: float
    text: str


@dataclass(frozen=True)
class DeviceChart:
    """Rows and axis. The chart begins with the first take, and ends with the night."""

    rows: tuple[Row, ...]
    marks: tuple[Mark, ...]

    @property
    def busy(self) -> float:
        """The share of all devices' time in which they rendered, 0 to 1."""
        return sum(row.busy for row in self.rows) / len(self.rows) if self.rows else 0.0


@dataclass(frozen=True)
class _Axis:
    begin: datetime
    end: datetime
    zone: ZoneInfo

    def place(self, moment: datetime) -> float:
        """In per cent, 0 to 100."""
        share = (moment - self.begin) / max(self.end - self.begin, timedelta(seconds=1))
        return round(100 * min(max(share, 0.0), 1.0), 3)

    def shown(self, moment: datetime, form: str = "%H:%M:%S") -> str:
        """The time in the night's zone."""
        return moment.astimezone(self.zone).strftime(form)


def device_chart(night: NightRecord) -> DeviceChart | None:
    """The chart; None if no device rendered."""
    starts = [span.start for device in night.devices for span in device.busy]
    if not starts:
        return None
    ends = [span.end for device in night.devices for span in device.busy if span.end is not None]
    axis = _Axis(min(starts), max([night.ended or night.updated, *ends]), ZoneInfo(night.zone))
    return DeviceChart(tuple(_row(device, axis) for device in night.devices), tuple(_marks(axis)))


def _row(device: DeviceEntry, axis: _Axis) -> Row:
    bars = tuple(_bar(span, axis) for span in device.busy)
    return Row(device.name, device.label, bars, sum(bar.width for bar in bars) / 100, device.failures)


def _bar(span: BusySpan, axis: _Axis) -> Bar:
    end = span.end or axis.end
    left = axis.place(span.start)
    failed = ", failed" if span.failed else ""
    text = f"{span.film} {span.shot} take {span.take}: {axis.shown(span.start)}–{axis.shown(end)}{failed}"
    return Bar(left, round(axis.place(end) - left, 3), text, span.failed)


def _marks(axis: _Axis) -> Iterator[Mark]:
    step = next((step for step in _STEPS if (axis.end - axis.begin) / step <= MOST_MARKS), _STEPS[-1])
    midnight = axis.begin.astimezone(axis.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    number = (axis.begin - midnight) // step + 1
    while axis.place(moment := midnight + number * step) <= LAST_MARK:
        yield Mark(axis.place(moment), axis.shown(moment, "%H:%M" if step >= timedelta(minutes=1) else "%H:%M:%S"))
        number += 1
