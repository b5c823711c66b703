"""Which order may be rendered when: a take waits for those that it begins on, ends on or is joined from.

For every scheduler: one that takes orders as they become ready asks `next`; one that has tasks of its own lets each
`wait`, in the order in which `orders` gives them (what is needed comes first, so no number of threads can lock up).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from wan_render.errors import Problem, RenderError, WanRenderError
from wan_render.production.order import RenderOrder
from wan_render.store import Clip

Outcome = Clip | WanRenderError


class Precedence:
    """The orders of one run and what became of them. Safe for several threads."""

    def __init__(self, orders: Sequence[RenderOrder]) -> None:
        self._open = list(orders)
        self._by_key = {order.take.key: order for order in orders}
        self._outcomes: dict[RenderOrder, Outcome] = {}
        self._stopped = False
        self._changed = threading.Condition()

    @property
    def outcomes(self) -> Mapping[RenderOrder, Outcome]:
        """Of every order that has ended."""
        with self._changed:
            return dict(self._outcomes)

    @property
    def remaining(self) -> tuple[RenderOrder, ...]:
        """Every order without an outcome, as they were given."""
        with self._changed:
            return tuple(order for order in self._by_key.values() if order not in self._outcomes)

    def next(self, among: Callable[[RenderOrder], bool] = lambda _: True) -> RenderOrder | None:
        """The first order among some whose needs have ended, taken off the list; waits while there is none. None when
        none of those is left, or all was stopped."""
        with self._changed:
            while (among_these := [order for order in self._open if among(order)]) and not self._stopped:
                ready = next((order for order in among_these if self._is_ready(order)), None)
                if ready is not None:
                    self._open.remove(ready)
                    return ready
                self._changed.wait()
            return None

    def wait(self, order: RenderOrder) -> None:
        """Return when what an order needs has ended, well or not, or when all was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._is_ready(order))

    def unmet(self, order: RenderOrder) -> RenderError | None:
        """Why an order need not be tried: something that it needs could not be rendered. None where all is there."""
        with self._changed:
            for needed in self._needed(order):
                outcome = self._outcomes.get(needed)
                if isinstance(outcome, WanRenderError):
                    return _not_tried(order, needed, outcome)
            return None

    def ended(self, order: RenderOrder, outcome: Outcome) -> None:
        """Note what became of an order; who waits for it goes on."""
        with self._changed:
            self._outcomes[order] = outcome
            self._changed.notify_all()

    def stop(self) -> None:
        """Nothing more is to be rendered; nobody waits any longer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _needed(self, order: RenderOrder) -> list[RenderOrder]:
        """The orders of this run that an order waits for; what else it needs is in the store."""
        return [self._by_key[key] for key in order.needs if key in self._by_key]

    def _is_ready(self, order: RenderOrder) -> bool:
        return all(needed in self._outcomes for needed in self._needed(order))


def _not_tried(order: RenderOrder, needed: RenderOrder, error: WanRenderError) -> RenderError:
    first = error.problems[0]
    found = f"needs {needed.shot} take {needed.number}, which could not be rendered: {first.found}"
    return RenderError(Problem(order.shot, found, remedy=first.remedy))
