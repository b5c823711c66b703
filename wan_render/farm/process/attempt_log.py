"""A log file for each attempt at a take, under `logs/` of the outputs folder."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

from wan_render.production.render_order import RenderOrder
from wan_render.store.disk import disk_errors
from wan_render.take import short


def new_log(store: Path, order: RenderOrder) -> Path:
    """The absolute path of a new, empty file `<shot>-take<n>-<key>-<attempt>.log`. Attempts count over all runs.

    Raises DiskError.
    """
    folder = store.absolute() / "logs"
    shot = re.sub(r"[^\w.-]+", "-", order.shot)
    stem = f"{shot}-take{order.number}-{short(order.take.key)}"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for attempt in count(1):
            log = folder / f"{stem}-{attempt}.log"
            try:
                log.touch(exist_ok=False)
            except FileExistsError:
                continue
            return log
    raise AssertionError("unreachable: count does not end")


def log_of_rank(log: Path, rank: int) -> Path:
    """The leader's log for rank 0; for another rank a new file, `…-<attempt>-rank1.log`. Raises DiskError."""
    if rank:
        log = log.with_stem(f"{log.stem}-rank{rank}")
        with disk_errors(log):
            log.touch()
    return log
