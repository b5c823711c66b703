"""What Prefect logs of runs and takes that ended as they were meant to."""

from __future__ import annotations

import logging
from collections.abc import Callable

from prefect.exceptions import CancelledRun, FailedRun


def no_walls() -> None:
    """Keep Prefect from adding its own traceback to a run whose message says all that there is to say."""
    _filter("prefect.flow_runs", _says_more)


def no_alarms() -> None:
    """Keep Prefect from calling a cancel an error: each take that it stops would be one."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        _filter(name, _calmed)


def _filter(name: str, said: Callable[[logging.LogRecord], bool]) -> None:
    log = logging.getLogger(name)
    if said not in log.filters:
        log.addFilter(said)


def _says_more(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, FailedRun | CancelledRun) and record.levelno == logging.ERROR)


def _calmed(record: logging.LogRecord) -> bool:
    """A cancel is what somebody asked for: information. Its sentence is prefect.task_engine's."""
    if record.levelno == logging.ERROR and record.getMessage().startswith("Finished in state Cancelled("):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return True
