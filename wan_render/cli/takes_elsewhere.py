"""Which takes of a run other runs render, here or on other machines."""

from __future__ import annotations

from collections import Counter

from wan_render.farm.attempt_events import Ended, Event, Held
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Progress
from wan_render.session.wording import counted


class TakesElsewhere:
    """Hears of every event of a run."""

    def __init__(self) -> None:
        self._machines: dict[str, str] = {}
        self._last: dict[str, str] = {}

    def hear(self, order: RenderOrder, event: Event) -> bool:
        """An event of a take. Whether it is news that another run renders it."""
        match event:
            case Held(by):
                is_news = order.take.key not in self._machines
                self._machines[order.take.key] = self._last[order.take.key] = by.machine
                return is_news
            case Progress() | Ended():
                self._machines.pop(order.take.key, None)
        return False

    def renderer(self, order: RenderOrder) -> str:
        """Who rendered a take that was found: a machine's name, or `another run`."""
        return self._last.get(order.take.key, "another run")

    @property
    def words(self) -> str:
        """`3 takes are rendered by studio-b, 1 take by studio-c`; "" if there are none."""
        machines = Counter(self._machines.values()).most_common()
        if not machines:
            return ""
        (machine, count), *others = machines
        first = f"{counted(count, 'take')} {'is' if count == 1 else 'are'} rendered by {machine}"
        return ", ".join((first, *(f"{counted(count, 'take')} by {machine}" for machine, count in others)))
