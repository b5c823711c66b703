"""What Prefect logs of runs and takes that ended as they were meant to."""

from __future__ import annotations

import logging
from collections.abc import Callable

from prefect.exceptions import CancelledRun, FailedRun

from wan_render.printable import logger

SILENT_STATES = ("Reused", "Shared", "Skipped", "Running", "Suspended")
"""Of takes for which a run has nothing to do (flows/runs/take_tasks.py), and of a run that has not finished at all."""


def no_secrets() -> None:
    """Take keys and control characters out of what runs log, tracebacks included: the farm's server keeps it."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger(name)


def no_walls() -> None:
    """Keep Prefect from adding its own traceback to a run whose message says all that there is to say."""
    _filter("prefect.flow_runs", _says_more)


def no_alarms() -> None:
    """Keep Prefect from calling a cancel an error: each take that it stops would be one."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        _filter(name, _calmed)


def no_repetition() -> None:
    """Keep Prefect from a line for each take that the run does not render, because its tasks say so; from the last
    line of a run that was cancelled, which would be `Finished in state Running()`; and from a second line about a take
    that failed in its last attempt."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        _filter(name, _is_news)


def _filter(name: str, said: Callable[[logging.LogRecord], bool]) -> None:
    log = logging.getLogger(name)
    if said not in log.filters:
        log.addFilter(said)


def _says_more(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, FailedRun | CancelledRun) and record.levelno == logging.ERROR)


def _is_news(record: logging.LogRecord) -> bool:
    has_error = record.exc_info is not None and record.exc_info[0] is not None
    if record.getMessage().endswith("Retries are exhausted") and not has_error:
        return False  # `NoneType: None` would follow; the state of the task gives the reason
    return not record.getMessage().startswith(tuple(f"Finished in state {name}(" for name in SILENT_STATES))


def _calmed(record: logging.LogRecord) -> bool:
    """A cancel is what somebody asked for: information. Its sentence is prefect.task_engine's."""
    if record.levelno == logging.ERROR and record.getMessage().startswith("Finished in state Cancelled("):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return True
