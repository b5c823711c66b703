"""The attempts of a night, as its record lists them: by shot, and by device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wan_render.errors import HeldElsewhereError, WanRenderError
from wan_render.night.night_record import AttemptEntry, BusySpan, DeviceEntry
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device


@dataclass
class _Attempt:
    """An attempt that was made. rendered: when its devices were free; end: when the take was written as well."""

    order: RenderOrder
    devices: tuple[str, ...]
    log: Path
    start: datetime
    rendered: datetime | None = None
    end: datetime | None = None
    error: str = ""


class AttemptBook:
    """Hears of every attempt, as farm_contract.AttemptWatch. Thread-safe.

    now: what time it is. link: how the record names a file. changed: called after an attempt has begun or ended.
    """

    def __init__(self, now: Callable[[], datetime], link: Callable[[Path], str], changed: Callable[[], None]) -> None:
        self._now, self._link, self._changed = now, link, changed
        self._attempts: list[_Attempt] = []
        self._running: dict[tuple[Path | None, str], _Attempt] = {}
        self._lock = threading.Lock()

    def attempt_begins(self, order: RenderOrder, devices: Sequence[str], log: Path) -> None:
        """See AttemptWatch.attempt_begins."""
        with self._lock:
            attempt = _Attempt(order, tuple(devices), log, self._now())
            self._attempts.append(attempt)
            self._running[order.store, order.take.key] = attempt
        self._changed()

    def take_rendered(self, order: RenderOrder) -> None:
        """See AttemptWatch.take_rendered."""
        with self._lock:
            if (attempt := self._running.get((order.store, order.take.key))) is not None:
                attempt.rendered = attempt.rendered or self._now()

    def attempt_ends(self, order: RenderOrder, error: BaseException | None) -> None:
        """See AttemptWatch.attempt_ends."""
        with self._lock:
            attempt = self._running.pop((order.store, order.take.key), None)
            if attempt is not None and isinstance(error, HeldElsewhereError):
                self._attempts.remove(attempt)  # another machine was faster
            elif attempt is not None:
                attempt.end = self._now()
                attempt.error = "" if error is None else in_words(error)
        self._changed()

    def of_shot(self, film: str, shot: str) -> tuple[AttemptEntry, ...]:
        """The attempts at a shot of a film, by slug and id. A part of a shot is called `1/020 part 2`."""
        with self._lock:
            return tuple(
                AttemptEntry(
                    take=each.order.number,
                    devices=each.devices,
                    start=each.start,
                    log=self._link(each.log),
                    end=each.end,
                    error=each.error,
                )
                for each in self._attempts
                if each.order.film == film and each.order.shot.partition(" part ")[0] == shot
            )

    def of_device(self, device: Device) -> DeviceEntry:
        """What a device did."""
        with self._lock:
            mine = [each for each in self._attempts if device.name in each.devices]
            errors = tuple(each.error for each in mine if each.error)
            return DeviceEntry(device.name, device.label, tuple(_spans(mine)), errors)


def busy_hours(device: DeviceEntry, now: datetime) -> float:
    """Hours in which a device rendered, until now."""
    # Timestamps: Python subtracts two times of one zone as if its clocks were never changed.
    return sum((span.end or now).timestamp() - span.start.timestamp() for span in device.busy) / 3600


def in_words(error: BaseException) -> str:
    """The message of an error; with its type, if it is none of wan-render's."""
    return str(error) if isinstance(error, WanRenderError) else f"{type(error).__name__}: {error}"


def _spans(attempts: Sequence[_Attempt]) -> Iterator[BusySpan]:
    for each in attempts:
        end, order = each.rendered or each.end, each.order
        yield BusySpan(each.start, end, order.film, order.shot, order.number, failed=bool(each.error))
