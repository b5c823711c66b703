"""No take starts while host memory is low: device processes and other programs share it, and the kernel kills whoever
needs more than there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from wan_render.backend_contract import HasHostMemory
from wan_render.farm.attempts import OFFLOAD_LEVELS
from wan_render.farm.held_devices import HeldDevice, make_of
from wan_render.farm.memory_terms import MemoryTerms
from wan_render.farm.ordering.loaded import loaded_by
from wan_render.host_memory import HostMemory
from wan_render.production.render_order import RenderOrder
from wan_render.quiet_time import patience
from wan_render.render_values import Device
from wan_render.store.disk import gigabytes

LOOK_SECONDS = 1.0

WAITING_SECONDS = 1800.0
"""How long a take waits for memory while others render. Then it is tried."""

ALONE_SECONDS = 30.0
"""The same if nothing else of this farm renders: only another program can free memory."""

SPARE_SHARE = 0.03
"""The share of the memory that stays free."""

FRAMES_SHARE = 5
"""Bytes per value of the frames, as float and as they are written."""


class MemoryWatch:
    """Lets takes wait for host memory, or use a leaner level. Thread-safe. Without terms none waits."""

    def __init__(self, terms: MemoryTerms | None) -> None:
        self._terms = terms
        self._expected: dict[HeldDevice, int] = {}
        self._is_low = False
        self._lock = threading.Lock()

    @contextmanager
    def room_for(
        self, order: RenderOrder, held_devices: Sequence[HeldDevice], tighter: int, is_stopped: Callable[[], bool]
    ) -> Iterator[int]:
        """Wait until there is memory for this take on these devices; then it counts as begun. Yields how many levels
        further it has to go, so that it fits. tighter: levels that it goes in any case."""
        levels = 0
        if self._terms is not None and host_need(order, held_devices[0].device, tighter):
            levels = self._wait(self._terms, order, held_devices, tighter, is_stopped)
        try:
            yield levels
        finally:
            self.is_loaded(held_devices)

    def is_loaded(self, held_devices: Sequence[HeldDevice]) -> None:
        """These devices have loaded what they need: from now on what their processes use counts."""
        with self._lock:
            for held in held_devices:
                self._expected.pop(held, None)

    def _wait(
        self,
        terms: MemoryTerms,
        order: RenderOrder,
        held_devices: Sequence[HeldDevice],
        tighter: int,
        is_stopped: Callable[[], bool],
    ) -> int:
        began, longest, alone = time.monotonic(), patience(WAITING_SECONDS), patience(ALONE_SECONDS)
        while True:
            with self._lock:
                levels, said = self._leanest_that_fits(terms.look(), order, held_devices, tighter)
                waited = time.monotonic() - began
                is_late = waited > (longest if self._expected else alone) or is_stopped() or terms.is_over()
                if levels is not None or is_late:
                    self._begin(terms, order, held_devices, tighter, levels)
                    return levels or 0
                if not self._is_low:
                    self._is_low = True
                    terms.say(said)
            time.sleep(min(LOOK_SECONDS, alone))

    def _begin(
        self,
        terms: MemoryTerms,
        order: RenderOrder,
        held_devices: Sequence[HeldDevice],
        tighter: int,
        levels: int | None,
    ) -> None:
        name = f"{order.film} {order.shot} take {order.number}".strip()
        if levels:
            terms.say(f"{name}: host memory is low, so it is rendered {levels} offload level(s) further")
        elif levels is None:
            terms.say(f"{name}: is rendered although host memory is low: nothing that could be waited for frees any")
        elif self._is_low:
            terms.say("host memory is free again: takes go on")
        self._is_low = self._is_low and levels is None
        for held in held_devices:
            self._expected[held] = used_by(held) + more_for(order, held, tighter + (levels or 0))

    def _leanest_that_fits(
        self, memory: HostMemory, order: RenderOrder, held_devices: Sequence[HeldDevice], tighter: int
    ) -> tuple[int | None, str]:
        """How many levels further it fits; None if it doesn't. And what is lacking, in words."""
        if not memory.available:
            return 0, ""
        promised = sum(max(0, expected - used_by(held)) for held, expected in self._expected.items())
        free = memory.available - promised - int(SPARE_SHARE * memory.limit)
        lacking = ""
        for levels in range(OFFLOAD_LEVELS + 1 - min(tighter, OFFLOAD_LEVELS)):
            needed = sum(more_for(order, held, tighter + levels) for held in held_devices)
            if needed <= free:
                return levels, ""
            lacking = lacking or (
                f"host memory is low: {gigabytes(max(0, free))} are free, and {order.film} {order.shot} needs "
                f"{gigabytes(needed)} more: it waits"
            )
        return None, lacking


def host_need(order: RenderOrder, device: Device, tighter: int = 0) -> int:
    """Bytes of host memory that a process on this device needs for an order; 0 if nobody knows."""
    if not isinstance(order.backend, HasHostMemory):
        return 0
    return order.backend.host_bytes(order.take, order.card, device, tighter)


def more_for(order: RenderOrder, held: HeldDevice, tighter: int = 0) -> int:
    """Bytes of host memory that a device's process needs for an order, besides those that it has. One that has loaded
    the model needs no more than the frames."""
    wanted, process = loaded_by(order), held.process
    if process is None or not process.alive:
        return host_need(order, held.device, tighter)
    if wanted is None or (held.loaded is not None and held.loaded.weights == wanted.weights):
        return FRAMES_SHARE * 3 * order.take.frames * order.take.size.width * order.take.size.height
    return max(0, host_need(order, held.device, tighter) - used_by(held))


def used_by(held: HeldDevice) -> int:
    """Bytes of host memory that a device's process has already."""
    process = held.process
    return 0 if process is None or not process.alive else process.used_bytes() or 0


def _kind(order: RenderOrder) -> object:
    """Equal for orders that need equally much."""
    take = order.take
    shape = take.size, take.frames, take.sampling.profile_variant, bool(take.loras), bool(take.through)
    return order.backend.id, order.card.identity, shape


def memory_shortages(orders: Sequence[RenderOrder], devices: Sequence[Device], memory: HostMemory) -> Iterator[str]:
    """A sentence for each model whose takes need more host memory than there is, if every device renders one: which
    shots, how much a process needs, how many fit. Devices of other machines are left out."""
    devices = [device for device in devices if not device.machine]
    free = memory.available - int(SPARE_SHARE * memory.limit)
    groups: dict[str, list[tuple[int, RenderOrder]]] = {}
    needs: dict[object, int] = {}  # a film of 1,000 shots has few kinds of takes, and a machine few of devices
    for order in orders if memory.available else ():
        able = {make_of(device): device for device in order.able(devices)}
        kinds = [(_kind(order), make) for make in able]
        for kind, device in zip(kinds, able.values(), strict=True):
            if kind not in needs:
                needs[kind] = host_need(order, device)
        if need := max((needs[kind] for kind in kinds), default=0):
            groups.setdefault(order.card.name, []).append((need, order))
    for model, those in groups.items():
        need, largest = max(those, key=lambda each: each[0])
        at_once = min(len(largest.able(devices)), len(those))
        if need * at_once <= free:
            continue
        fits = max(free // need, 0)
        shots = list(dict.fromkeys(f"{order.film} {order.shot}".strip() for _, order in those))
        named = ", ".join(shots[:3]) + (f" and {len(shots) - 3} more" if len(shots) > 3 else "")
        then = (
            f"{fits} of {at_once} devices render them at a time"
            if fits
            else "they are tried at leaner levels, and may fail"
        )
        has = f"{gigabytes(max(0, free))} are free"
        yield f"host memory: a process needs about {gigabytes(need)} for {model} ({named}), and {has}: {then}"
