"""Whose fault the failures of attempts were, and how much tighter each model has to be in memory since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wan_render.errors import DeviceError, OutOfMemoryError, OverrunError, Problem
from wan_render.farm.attempts import OFFLOAD_LEVELS
from wan_render.farm.dispatch import Dispatch
from wan_render.farm.failure_meaning import is_of_device, of_group
from wan_render.farm.held_devices import HeldDevice, Model, model_of
from wan_render.farm.running_attempt import RunningAttempt
from wan_render.production.render_order import RenderOrder


class FailureAccount:
    """Accounts for the failures of a farm, which tells its dispatch. The farm's lock is held for each call."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._tighter: Counter[tuple[Model, int]] = Counter()

    def tighter(self, order: RenderOrder, held: HeldDevice) -> int:
        """How many levels of memory use an order has to be below the usual one on such a device."""
        return self._tighter[_memory(order, held)]

    def meaning(
        self, attempt: RunningAttempt, order: RenderOrder, held_devices: Sequence[HeldDevice], error: BaseException
    ) -> BaseException:
        """Note whose fault a failure was; return the error to raise."""
        if attempt.was_aborted:
            return OverrunError(Problem(f"{order.shot} take {order.number}", "was aborted: the night was over"))
        failed, cause = attempt.cause, attempt.cause.error or error
        if isinstance(cause, OutOfMemoryError):
            if len(held_devices) > 1:  # a group needs memory for exchanges: one device may fit as it is
                self._dispatch.failed_by_group(order, is_of_devices=True)
                return of_group(cause)
            memory = _memory(order, failed.hold.held)
            self._tighter[memory] = max(self._tighter[memory], failed.order.tighter + 1)
            if failed.order.tighter >= OFFLOAD_LEVELS:  # less memory is not to be had: another device may have more
                self._dispatch.avoid(order, failed.hold.held)
        elif failed.hold.process is not None and failed.hold.process.is_out_of_reach:
            self._dispatch.avoid(order, failed.hold.held)
        elif is_of_device(cause) and failed.hold.renders:
            self._dispatch.blame(order, failed.hold.held)
        if len(held_devices) > 1:
            self._dispatch.failed_by_group(order, is_of_devices=isinstance(cause, DeviceError))
            return of_group(cause)
        return cause


def _memory(order: RenderOrder, held: HeldDevice) -> tuple[Model, int]:
    """A shortage of memory holds for a model on every device with as much memory."""
    return model_of(order), held.device.memory_bytes
