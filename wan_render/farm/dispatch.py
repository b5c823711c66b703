"""Which devices a take gets: one, or several equal ones that render it together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from wan_render.farm.groups.possible_sizes import possible_sizes, sizes_of
from wan_render.farm.groups.simulation import SimulatedRun
from wan_render.farm.held_devices import HeldDevice, model_of
from wan_render.farm.quarantine import Quarantine
from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder

_log = logger(__name__)


@dataclass(frozen=True, eq=False)
class Request:
    """A render that waits for devices."""

    order: RenderOrder

    @property
    def key(self) -> str:
        """The take's."""
        return self.order.take.key


@dataclass(frozen=True)
class _Choice:
    """What a request gets now, or, as long as that is not all, what is kept for it."""

    held_devices: tuple[HeldDevice, ...] = ()
    is_all: bool = False


_NOTHING_YET = _Choice()


class Dispatch:
    """Requests in the order in which they came, and the devices for them. Not for several threads: the farm has a lock.

    quarantine: see FarmSettings; where groups fail at more different takes than that, with none rendered between, it is
    not a device's fault, and there are no more of them; nor are there any that nobody asked for, where the first of all
    fails. groups: see MachineSettings.
    """

    def __init__(self, held_devices: Sequence[HeldDevice], quarantine: int, groups: str) -> None:
        self._held_devices, self._groups = held_devices, groups
        self._requests: list[Request] = []
        self._kept: dict[Request, tuple[HeldDevice, ...]] = {}
        self._quarantine = Quarantine(tuple(held.device.name for held in held_devices), quarantine)
        self._failed: defaultdict[str, set[str]] = defaultdict(set)
        self._alone: set[str] = set()
        self._failed_by_groups: set[str] = set()
        self._limit, self._are_given_up = quarantine, False
        self._have_worked, self._forms_unasked = False, groups == "auto"
        self._said: set[str] = set()
        self.simulation = SimulatedRun(held_devices[0].device.kind)

    def enter(self, request: Request) -> None:
        """It waits from now on."""
        self._requests.append(request)

    def leave(self, request: Request) -> None:
        """It waits no longer."""
        self._requests.remove(request)
        self._kept.pop(request, None)
        self._give_back()

    def allows(self, held: HeldDevice) -> bool:
        """Whether a device gets takes: it is not in quarantine."""
        return self._quarantine.allows(held.device.name)

    def able(self, order: RenderOrder) -> list[HeldDevice]:
        """The devices that get such takes: those that can render them and are not in quarantine; where all that can are
        in it, these all the same, as there is no other."""
        able = [held for held in self._held_devices if held.device.name not in order.barred]
        return [held for held in able if self.allows(held)] or able

    def begin(self, request: Request, held_devices: Sequence[HeldDevice]) -> None:
        """It has its devices from now on."""
        order = request.order
        for held in held_devices:
            held.busy, held.was_used, held.take_key = True, True, request.key
        self.simulation.begins(order, len(held_devices))
        self._tell_fewer(order, len(held_devices))
        self._tell_suspected(order, held_devices)

    def finished(self, order: RenderOrder, held_devices: Sequence[HeldDevice]) -> None:
        """A take is there, and these devices have shown that they work."""
        self.simulation.done(order)
        self._failed.pop(order.take.key, None)
        self._alone.discard(order.take.key)
        if len(held_devices) > 1:
            self._have_worked = True
            self._failed_by_groups.clear()
        for held in held_devices:
            self._quarantine.finished(held.device.name)

    def blame(self, order: RenderOrder, held: HeldDevice) -> None:
        """An attempt failed by a device's fault."""
        self._failed[order.take.key].add(held.device.name)
        if self._quarantine.failed(held.device.name, order.take.key):
            held.lock.release()
            _log.warning("%s gets no more shots: several different ones failed on it", held.device.name)

    def failed_by_group(self, order: RenderOrder, *, is_of_devices: bool) -> None:
        """From now on one device renders it. is_of_devices: whether the take itself may be right."""
        self._alone.add(order.take.key)
        _log.warning("%s take %d failed on several devices together: one alone tries it next", order.shot, order.number)
        if is_of_devices:
            self._failed_by_groups.add(order.take.key)
        if is_of_devices and order.gpus is None and not self._have_worked and self._forms_unasked:
            self._forms_unasked = False
            _log.warning("only takes that ask for it are rendered by several devices from now on: the first try failed")
        if len(self._failed_by_groups) > self._limit and not self._are_given_up:
            self._are_given_up = True
            _log.warning("no more takes are rendered by several devices together: several in a row failed so")

    def assigned(self, request: Request) -> tuple[HeldDevice, ...]:
        """All devices for this request, locked, after those who came earlier have had their choice; none as long as
        it has to wait. What is kept for a group that is not complete, nobody else gets."""
        taken: set[HeldDevice] = set()
        for earlier in self._requests:
            choice = self._choice(earlier, taken)
            self._kept[earlier] = choice.held_devices
            if earlier is request:
                self._give_back()
                return choice.held_devices if choice.is_all else ()
            taken.update(choice.held_devices)
        return ()

    def _give_back(self) -> None:
        """To other runs: what was kept for a group and is for none any more, as no attempt was made on it."""
        kept = {held for held_devices in self._kept.values() for held in held_devices}
        for held in self._held_devices:
            if held.lock.held and not held.was_used and held not in kept:
                held.lock.release()

    def _choice(self, request: Request, taken: set[HeldDevice]) -> _Choice:
        size = self._size(request, taken)
        if size == 0:
            return _NOTHING_YET
        if size > 1:
            held_devices = _idle(self._equal(request.order), request, taken, size)
            return _Choice(held_devices, len(held_devices) == size)
        held_devices = self._one(request, taken)
        return _Choice(held_devices, bool(held_devices))

    def _one(self, request: Request, taken: set[HeldDevice]) -> tuple[HeldDevice, ...]:
        """An idle device on which this take has not failed and which no other needs more; another one only where there
        is none to wait for."""
        allowed = self.able(request.order)
        untried = [held for held in allowed if held.device.name not in self._failed[request.key]]
        needed = self._needed_more(request.order)
        for held_devices in ([held for held in untried if held not in needed], untried):
            if found := _idle(held_devices, request, taken, 1):
                return found
            if any(held.busy or held in taken for held in held_devices):
                return ()
        return _idle(allowed, request, taken, 1)

    def _needed_more(self, order: RenderOrder) -> set[HeldDevice]:
        """The devices of takes that could begin now and can be rendered on no others, while this one can."""
        pickier = (each for each in self.simulation.open if each.barred > order.barred)
        fewer = {each.barred for each in pickier if self.simulation.is_ready(each)}
        return {held for held in self._held_devices if any(held.device.name not in barred for barred in fewer)}

    # How many

    def _size(self, request: Request, taken: set[HeldDevice]) -> int:
        """How many devices a request gets; 0 where that cannot be told before who came earlier has theirs."""
        if self._sizes(request.order, len(self.able(request.order))) == (1,):
            return 1
        here, equal = self._here(request.order), self._equal(request.order)
        sizes = self._sizes(request.order, len(equal))
        if len(sizes) == 1:
            return sizes[0]
        if len(equal) < len(here) or all(held.busy or held in taken for held in equal):
            return 1  # of unlike devices nobody knows how much longer some take; or none is to be had
        if not taken.isdisjoint(equal):
            return 0
        waiting = [each.order for each in self._requests if each is not request]
        if not self._are_all_for(equal, (*waiting, *filter(self.simulation.is_ready, self.simulation.open))):
            return 1  # others could have these devices, and more: nobody knows when
        free = [self.simulation.left(held.take_key) if held.busy else 0.0 for held in equal]
        warm = [held.model == model_of(request.order) for held in equal]
        loads = any(warm) and not all(warm)  # where none is warm, they load side by side
        return self.simulation.devices(
            request.order, waiting, free, lambda order: self._sizes(order, len(equal)), helpers_load=loads
        )

    def _sizes(self, order: RenderOrder, devices: int) -> tuple[int, ...]:
        """How many of so many equal devices may render an order: several numbers where it is to be chosen, by how
        soon the night ends; else one."""
        if self._are_given_up or order.take.key in self._alone:
            return (1,)
        is_asked_only = self._groups == "auto" and not self._forms_unasked
        return sizes_of(order, devices, "asked" if is_asked_only else self._groups)

    def _here(self, order: RenderOrder) -> list[HeldDevice]:
        """The devices that this farm has or can have for an order: no other run holds them."""
        return [held for held in self.able(order) if held.busy or held.lock.obtainable()]

    def _are_all_for(self, equal: Sequence[HeldDevice], orders: Sequence[RenderOrder]) -> bool:
        """Whether each of the orders is rendered on these devices only; what is joined of others needs none."""
        unlike = {order.barred: order for order in orders if not order.take.through}
        return all(set(self._here(order)) <= set(equal) for order in unlike.values())

    def _equal(self, order: RenderOrder) -> list[HeldDevice]:
        """Those that are here for it, of the make of which there are most."""
        makes: dict[object, list[HeldDevice]] = {}
        for held in self._here(order):
            makes.setdefault(held.make, []).append(held)
        return max(makes.values(), key=len, default=[])

    def _tell_suspected(self, order: RenderOrder, held_devices: Sequence[HeldDevice]) -> None:
        """Say once of each why a device in quarantine gets takes."""
        for held in held_devices:
            reason = f"{held.device.name} gets {order.shot} all the same: no other device can render it"
            if not self.allows(held) and held.device.name not in self._said:
                self._said.add(held.device.name)
                _log.warning(reason)

    def _tell_fewer(self, order: RenderOrder, devices: int) -> None:
        """Say, each reason once, why an order gets fewer devices than it asks for."""
        asked = order.gpus or 1
        if devices >= asked or order.take.through or order.take.key in self._alone or self._are_given_up:
            return
        if self._groups == "off":
            why = "WAN_RENDER_GROUPS is off"
        elif devices == max(size for size in possible_sizes(order) if size <= asked):
            why = f"{order.backend.id} renders such a take on no more"
        else:
            able = " that can render it" if order.barred else ""
            why = f"no more equal ones{able} are here and free of other runs"
        reason = f"asks for {asked} devices and is rendered by {devices}: {why}"
        if reason not in self._said:
            self._said.add(reason)
            _log.warning("%s take %d %s", order.shot, order.number, reason)


def _idle(
    held_devices: Sequence[HeldDevice], request: Request, taken: set[HeldDevice], count: int
) -> tuple[HeldDevice, ...]:
    """Up to so many idle ones, those that suit best, of those that no other run holds; locked."""
    idle = [held for held in held_devices if not held.busy and held not in taken]
    best_first = sorted(idle, key=lambda held: held.suits(model_of(request.order)), reverse=True)
    found: list[HeldDevice] = []
    for held in best_first:
        if len(found) < count and held.lock.acquire():
            found.append(held)
    return tuple(found)
