"""Takes that another run renders, here or on another machine that shares the outputs folder."""

from __future__ import annotations

from collections.abc import Callable

from wan_render.errors import HeldElsewhereError
from wan_render.production.render_order import RenderOrder
from wan_render.store import Store
from wan_render.store.file_locks import at_most

POLL_SECONDS = 1.0
"""How often a run asks whether another one still renders a take."""

WAITING_SECONDS, WAITING_TIMES = 3600.0, 6.0
"""How long a take waits for another run that renders it: an hour, or three attempts of twice the expected time."""

HeldBy = Callable[[RenderOrder], HeldElsewhereError | None]
"""Which other run renders the take of an order now, if one does."""


def held_by_nobody(_order: RenderOrder) -> HeldElsewhereError | None:
    """No other run renders takes."""
    return None


def held_in(store: Store) -> HeldBy:
    """As the locks of a store have it. store: of the orders that name no other."""

    def held(order: RenderOrder) -> HeldElsewhereError | None:
        takes = (store if order.store is None else Store(order.store)).takes
        return takes.locks.held_elsewhere(order.take.key)

    return held


def patience_for(order: RenderOrder, expected: float) -> Callable[[], None]:
    """To be called every second while another run renders the take. Raises MachineError if that takes too long.
    expected: seconds that the take takes."""
    seconds = max(WAITING_SECONDS, WAITING_TIMES * expected)
    return at_most(seconds, lambda: None, f"{order.shot} take {order.number}")
