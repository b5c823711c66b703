"""Measure the frames of a take for its checks. A failure here never costs the take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import TypeVar

from wan_render.backend_contract import Backend, HasUnjudgedChecks
from wan_render.printable import logger, one_line
from wan_render.production.render_order import RenderOrder
from wan_render.quality.measurements import LEAST_FRAMES, Measurements
from wan_render.quality.unjudged_checks import without_checks
from wan_render.render_values import Pixels, TakeInputs

LOG = logger("wan_render.production")

FRAMES_AHEAD = 8
"""How many frames wait for the measurement: 10 MB at 832x480."""

_Consumed = TypeVar("_Consumed")


def is_to_be_measured(order: RenderOrder) -> bool:
    """Whether an order's take is checked. A painted keyframe is one frame, and never is."""
    return order.is_checked and order.take.frames >= LEAST_FRAMES


def measured(
    frames: Iterable[Pixels], plates: TakeInputs, name: str, *, passes_through: bool = False
) -> Measurements | None:
    """The measurements; None with a warning if they fail. name: of the take, for the warning. passes_through: keyframes
    on the way."""
    try:
        from wan_render.quality.measuring import measure  # it loads OpenCV, which most commands do without

        return measure(frames, plates.first, plates.last, passes_through=passes_through)
    except Exception as error:
        LOG.warning("%s is not checked: its frames could not be measured (%s)", name, one_line(str(error)))
        LOG.info("the measurement failed", exc_info=error)
        return None


def judgeable(measurements: Measurements | None, backend: Backend) -> Measurements | None:
    """The measurements of a backend's take, without those of checks that do not apply to its way of drawing."""
    if measurements is None or not isinstance(backend, HasUnjudgedChecks):
        return measurements
    return without_checks(measurements, backend.unjudged_checks)


def _taken_from(queue: Queue[Pixels | None]) -> Iterator[Pixels]:
    while (frame := queue.get()) is not None:
        yield frame


def measured_beside(
    frames: Iterator[Pixels], consume: Callable[[Iterator[Pixels]], _Consumed], plates: TakeInputs, name: str
) -> tuple[_Consumed, Measurements | None]:
    """Pass frames of a joined take to `consume`, and measure them in a second thread: decoded once. Raises what
    `consume` raises."""
    queue: Queue[Pixels | None] = Queue(FRAMES_AHEAD)

    def both() -> Iterator[Pixels]:
        for frame in frames:
            queue.put(frame)
            yield frame

    def measuring() -> Measurements | None:
        passing = _taken_from(queue)
        try:
            return measured(passing, plates, name, passes_through=True)
        finally:
            for _ in passing:  # after a failure, so that the writer never waits
                pass

    with ThreadPoolExecutor(1, "measures") as threads:
        measurements = threads.submit(measuring)
        try:
            consumed = consume(both())
        finally:
            queue.put(None)
        return consumed, measurements.result()
