"""How the takes of a run wait for host memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wan_render.host_memory import HostMemory, host_memory
from wan_render.printable import logger

_log = logger(__name__)


@dataclass(frozen=True)
class MemoryTerms:
    """say: called with a sentence when takes have to wait, and when they go on. is_over: whether nothing more may
    start, so that no take has to wait. look: the memory as it is now."""

    say: Callable[[str], None] = _log.warning
    is_over: Callable[[], bool] = lambda: False
    look: Callable[[], HostMemory] = host_memory
