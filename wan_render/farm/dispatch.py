"""Which devices a take gets: one, or several identical ones that render it together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.groups.possible_sizes import possible_sizes, sizes_of
from wan_render.farm.groups.simulation import SimulatedRun
from wan_render.farm.held_devices import HeldDevice
from wan_render.farm.ordering.loaded import misfit
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
        """The key of its take."""
        return self.order.take.key


@dataclass(frozen=True)
class _Choice:
    """The devices of a request. While some are missing (not is_all), they are kept for it."""

    held_devices: tuple[HeldDevice, ...] = ()
    is_all: bool = False


_NOTHING_YET = _Choice()


class Dispatch:
    """Requests, first come first served, and the devices for them. Not thread-safe: the farm holds a lock.

    settings: its quarantine and groups. If groups fail at more different takes than that, with no success between, no
              more are formed. If the very first group fails, groups are only formed for takes that ask for one.
    """

    def __init__(self, held_devices: Sequence[HeldDevice], settings: FarmSettings) -> None:
        quarantine, groups = settings.quarantine, settings.groups
        self._held_devices, self._groups, self._why_off = held_devices, groups, settings.why_off
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
        """Let a request wait."""
        self._requests.append(request)

    def leave(self, request: Request) -> None:
        """End a request's wait: it has its devices, or it was given up."""
        self._requests.remove(request)
        self._kept.pop(request, None)
        self._give_back()

    def allows(self, held: HeldDevice) -> bool:
        """Whether a device may get takes: it is not quarantined."""
        return self._quarantine.allows(held.device.name)

    def joined(self, name: str) -> None:
        """A device has joined the farm. Failures of an earlier one with this name are forgotten."""
        self._quarantine.add(name)

    def left(self, name: str) -> None:
        """A device has left the farm."""
        self._quarantine.remove(name)

    @property
    def quarantined(self) -> tuple[str, ...]:
        """The names of the devices that are quarantined."""
        return tuple(held.device.name for held in self._held_devices if not self.allows(held))

    def release(self, name: str) -> None:
        """End the quarantine of a device."""
        self._quarantine.release(name)
        self._said.discard(name)
        _log.warning("%s is quarantined no more: it was released", name)

    def able(self, order: RenderOrder) -> list[HeldDevice]:
        """The devices that can render an order. Quarantined ones are left out, unless there are no others."""
        able = [held for held in self._held_devices if held.is_able(order)]
        return [held for held in able if self.allows(held)] or able

    def begin(self, request: Request, held_devices: Sequence[HeldDevice]) -> None:
        """An attempt at the request begins on these devices."""
        order = request.order
        for held in held_devices:
            held.busy, held.was_used, held.take_key = True, True, request.key
        self.simulation.begins(order, len(held_devices))
        self._tell_fewer(order, len(held_devices))
        self._tell_suspected(order, held_devices)

    def finished(self, order: RenderOrder, held_devices: Sequence[HeldDevice]) -> None:
        """The take was rendered on these devices, so they work."""
        self.simulation.done(order)
        self._failed.pop(order.take.key, None)
        self._alone.discard(order.take.key)
        if len(held_devices) > 1:
            self._have_worked = True
            self._failed_by_groups.clear()
        for held in held_devices:
            self._quarantine.finished(held.device.name)

    def blame(self, order: RenderOrder, held: HeldDevice) -> None:
        """Note that an attempt failed and its device may be at fault."""
        self._failed[order.take.key].add(held.device.name)
        if self._quarantine.failed(held.device.name, order.take.key):
            held.lock.release()
            _log.warning("%s is quarantined: several different shots failed on it", held.device.name)

    def avoid(self, order: RenderOrder, held: HeldDevice) -> None:
        """Let another device make the next attempt at this take, if there is one. The device is not at fault."""
        self._failed[order.take.key].add(held.device.name)

    def failed_by_group(self, order: RenderOrder, *, is_of_devices: bool) -> None:
        """Retry the take on one device. is_of_devices: whether devices may be at fault, rather than the take."""
        self._alone.add(order.take.key)
        _log.warning("%s take %d failed on a group of devices: retrying on one", order.shot, order.number)
        if is_of_devices:
            self._failed_by_groups.add(order.take.key)
        if is_of_devices and order.gpus is None and not self._have_worked and self._forms_unasked:
            self._forms_unasked = False
            _log.warning("the first group failed: from now on groups are formed only for takes that ask for one")
        if len(self._failed_by_groups) > self._limit and not self._are_given_up:
            self._are_given_up = True
            _log.warning("no more groups are formed: several takes in a row failed on one")

    def assigned(self, request: Request) -> tuple[HeldDevice, ...]:
        """All devices for this request, locked; empty while it has to wait. Earlier requests choose first. Devices that
        are kept for an incomplete group go to no other request."""
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
        """Unlock, for other runs, devices that are no longer kept for a group and that no attempt has used."""
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
        """An idle device for the take. Preferred is one on which it has not failed and that no pickier take needs. Any
        other is used only if waiting would not help."""
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
        """The devices that a take which could begin now, and which can use fewer devices than this one, depends on."""
        pickier = (each for each in self.simulation.open if each.barred > order.barred)
        fewer = {each.barred for each in pickier if self.simulation.is_ready(each)}
        return {held for held in self._held_devices if any(held.device.name not in barred for barred in fewer)}

    # How many devices

    def _size(self, request: Request, taken: set[HeldDevice]) -> int:
        """How many devices a request gets; 0 if earlier requests must get theirs first."""
        if self._sizes(request.order, len(self.able(request.order))) == (1,):
            return 1
        here, equal = self._here(request.order), self._equal(request.order)
        sizes = self._sizes(request.order, len(equal))
        if len(sizes) == 1:
            return sizes[0]
        if len(equal) < len(here) or all(held.busy or held in taken for held in equal):
            return 1  # nobody knows how the speeds of different devices compare; or none of the identical ones is free
        if not taken.isdisjoint(equal):
            return 0
        waiting = [each.order for each in self._requests if each is not request]
        if not self._are_all_for(equal, (*waiting, *filter(self.simulation.is_ready, self.simulation.open))):
            return 1  # other orders may use these devices and further ones: nobody knows when they will be free
        free = [self.simulation.left(held.take_key) if held.busy else 0.0 for held in equal]
        warm = [misfit(request.order, held.loaded) < 2 for held in equal]
        loads = any(warm) and not all(warm)  # if none is warm, they load in parallel
        return self.simulation.devices(
            request.order, waiting, free, lambda order: self._sizes(order, len(equal)), helpers_load=loads
        )

    def _sizes(self, order: RenderOrder, devices: int) -> tuple[int, ...]:
        """The group sizes to choose from for an order, given this many identical devices."""
        if self._are_given_up or order.take.key in self._alone:
            return (1,)
        is_asked_only = self._groups == "auto" and not self._forms_unasked
        return sizes_of(order, devices, "asked" if is_asked_only else self._groups)

    def _here(self, order: RenderOrder) -> list[HeldDevice]:
        """The devices that can render an order and that no other run holds."""
        return [held for held in self.able(order) if held.busy or held.lock.obtainable()]

    def _are_all_for(self, equal: Sequence[HeldDevice], orders: Sequence[RenderOrder]) -> bool:
        """Whether each order can be rendered only on these devices. Takes joined from others need no device."""
        unlike = {order.barred: order for order in orders if not order.take.through}
        return all(set(self._here(order)) <= set(equal) for order in unlike.values())

    def _equal(self, order: RenderOrder) -> list[HeldDevice]:
        """The largest set of identical devices that are here for an order."""
        makes: dict[object, list[HeldDevice]] = {}
        for held in self._here(order):
            makes.setdefault(held.make, []).append(held)
        return max(makes.values(), key=len, default=[])

    def _tell_suspected(self, order: RenderOrder, held_devices: Sequence[HeldDevice]) -> None:
        """Log, once for each device, why a quarantined device gets a take."""
        for held in held_devices:
            reason = f"{held.device.name} gets {order.shot} despite its quarantine: no other device can render it"
            if not self.allows(held) and held.device.name not in self._said:
                self._said.add(held.device.name)
                _log.warning(reason)

    def _tell_fewer(self, order: RenderOrder, devices: int) -> None:
        """Log, once for each reason, why an order gets fewer devices than it asks for."""
        asked = order.gpus or 1
        if devices >= asked or order.take.through or order.take.key in self._alone or self._are_given_up:
            return
        if self._groups == "off":
            why = self._why_off
        elif devices == max(size for size in possible_sizes(order) if size <= asked):
            why = f"{order.backend.id} cannot use more for such a take"
        else:
            able = " that can render it" if order.barred else ""
            why = f"no more identical devices{able} are available"
        reason = f"asks for {asked} devices but gets {devices}: {why}"
        if reason not in self._said:
            self._said.add(reason)
            _log.warning("%s take %d %s", order.shot, order.number, reason)


def _idle(
    held_devices: Sequence[HeldDevice], request: Request, taken: set[HeldDevice], count: int
) -> tuple[HeldDevice, ...]:
    """Up to `count` idle devices that no other run holds, locked. Those that have to load least come first."""
    idle = [held for held in held_devices if not held.busy and held not in taken]
    best_first = sorted(idle, key=lambda held: misfit(request.order, held.loaded))
    found: list[HeldDevice] = []
    for held in best_first:
        if len(found) < count and held.lock.acquire():
            found.append(held)
    return tuple(found)
