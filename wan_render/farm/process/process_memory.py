"""Notices a device process whose memory keeps growing, so that it can be replaced between two takes."""

from __future__ import annotations

from collections.abc import Callable

from wan_render.production.render_order import RenderOrder
from wan_render.store.disk import gigabytes

GROWTH_BYTES = 2 * 1024**3
"""How much a process may grow. The takes that it is writing need less, and so do caches of kernels and texts."""

GROWTH_SHARE = 0.25
"""Or by this share of what it needed at first, if that is more: large models are moved about in large pieces."""


class MemoryGrowth:
    """The memory of one process, looked at when each take is rendered. What a model needs is no growth: the first two
    takes after another model is loaded set the baseline. Only memory of its own counts, not files that it has mapped.
    """

    def __init__(self, used_bytes: Callable[[], int | None], least: int = GROWTH_BYTES) -> None:
        """used_bytes: what the process uses now; None if nobody knows. least: bytes that it may grow in any case."""
        self._used_bytes, self._least = used_bytes, least
        self._loaded: object = None
        self._baseline = self._takes = 0
        self.verdict = ""
        """Why it has to be replaced, in words; "" if it has not."""

    def look(self, order: RenderOrder) -> None:
        """A take is rendered; its frames are still in memory."""
        if (used := self._used_bytes()) is None:
            return
        used -= order.take.frames * order.take.size.width * order.take.size.height * 3
        loaded = (order.backend.id, order.card.identity, order.take.sampling.profile_variant, order.take.loras)
        if loaded != self._loaded:
            self._loaded, self._baseline, self._takes = loaded, 0, 0
        self._takes += 1
        if self._takes <= 2:
            self._baseline = max(self._baseline, used)
        elif used - self._baseline > max(self._least, GROWTH_SHARE * self._baseline):
            self.verdict = (
                f"its memory grew from {gigabytes(self._baseline)} to {gigabytes(used)} in {self._takes} takes"
            )
