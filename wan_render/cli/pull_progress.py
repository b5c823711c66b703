"""Progress of `models pull` and `models import`: a bar in a terminal, lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wan_render.model_weights import PullSize, PullWatch
from wan_render.printable import drawn_on, printable
from wan_render.session.wording import counted
from wan_render.store.disk import gigabytes

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_SECONDS = 30.0
"""Without a terminal, a line is printed at this interval."""


@contextmanager
def watching() -> Iterator[PullWatch]:
    """A bar if stderr is a terminal, lines otherwise."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(file=drawn_on(sys.stderr)), transient=True) as bars:
        yield _Bar(bars)


def _forecast(size: PullSize) -> str:
    files = f"{size.missing} of {counted(size.files, 'file')} of weights"
    return f"{files} to {size.doing}, {gigabytes(size.download_bytes)}; {gigabytes(size.disk_bytes)} on disk when done"


class _Lines:
    """Prints lines, for logs."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self._last_line = time.monotonic()

    def begin(self, size: PullSize) -> None:
        self._total = size.download_bytes
        self.say(_forecast(size))

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            self.say(f"{gigabytes(self._done)} of {gigabytes(self._total)}")

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class _Bar:
    """Draws a bar."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, size: PullSize) -> None:
        self.say(_forecast(size))
        self._task = self._bars.add_task("weights", total=size.download_bytes)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, count)

    def say(self, text: str) -> None:
        self._bars.console.print(printable(text), markup=False, highlight=False)
