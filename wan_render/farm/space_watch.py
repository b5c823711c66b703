"""No take starts while the disk is low: another program may have filled it, and may free it again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder
from wan_render.quiet_time import patience
from wan_render.status.forecast import take_bytes
from wan_render.store.disk import free_disk_bytes, gigabytes

LOOK_SECONDS = 1.0

WAITING_SECONDS = 3600.0
"""How long a take waits for space. Then it is tried, and its failure says what is wrong."""

SPARE_BYTES = 20_000_000
"""For logs, locks and records."""

_log = logger(__name__)


@dataclass(frozen=True)
class SpaceTerms:
    """reserve: bytes that must stay free in a store, to finish its films. is_over: whether nothing more may start, so
    that no take has to wait. say: called with a sentence when takes have to wait, and when they go on."""

    reserve: Callable[[Path], int]
    is_over: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = _log.warning


class SpaceWatch:
    """Lets takes wait for space. Thread-safe. Without terms none waits."""

    def __init__(self, terms: SpaceTerms | None, store: Path) -> None:
        """store: of orders that name none."""
        self._terms, self._store = terms, store
        self._begun: dict[RenderOrder, int] = {}
        self._is_low = False
        self._lock = threading.Lock()

    @contextmanager
    def room_for(self, order: RenderOrder, is_stopped: Callable[[], bool]) -> Iterator[None]:
        """Wait until there is room for this take, those that have begun, and the films; then it counts as begun."""
        root = order.store or self._store
        if self._terms is not None:
            self._wait(self._terms, root, order, is_stopped)
        try:
            yield
        finally:
            with self._lock:
                self._begun.pop(order, None)

    def _wait(self, terms: SpaceTerms, root: Path, order: RenderOrder, is_stopped: Callable[[], bool]) -> None:
        longest = patience(WAITING_SECONDS)
        until = time.monotonic() + longest
        while not self._has_room(terms, root, order):
            if is_stopped() or terms.is_over() or time.monotonic() > until:
                return
            time.sleep(min(LOOK_SECONDS, longest))

    def _has_room(self, terms: SpaceTerms, root: Path, order: RenderOrder) -> bool:
        with self._lock:
            free, reserve = free_disk_bytes(root), terms.reserve(root) + SPARE_BYTES
            of_take = take_bytes(order.take, keeps_latents=order.keeps_latents)
            needed = sum(self._begun.values()) + of_take + reserve
            has_room = free >= needed
            if has_room:
                self._begun[order] = of_take
            if has_room is self._is_low:
                self._is_low = not has_room
                terms.say(_sentence(root, free, needed, has_room=has_room))
            return has_room


def _sentence(root: Path, free: int, needed: int, *, has_room: bool) -> str:
    if has_room:
        return f"{root}: {gigabytes(free)} are free again: takes go on"
    return (
        f"{root}: only {gigabytes(free)} are free, and the next take and the films need {gigabytes(needed)}: no take "
        "starts until there is space (`wan-render prune FILE` frees some)"
    )
