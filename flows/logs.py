"""What Prefect logs of a run that ended as it was meant to."""

from __future__ import annotations

import logging

from prefect.exceptions import CancelledRun, FailedRun


def no_walls() -> None:
    """Keep Prefect from adding its own traceback to a run whose message says all that there is to say."""
    log = logging.getLogger("prefect.flow_runs")
    if _says_more not in log.filters:
        log.addFilter(_says_more)


def _says_more(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, FailedRun | CancelledRun) and record.levelno == logging.ERROR)
