"""The devices that a plan's times are for: those of this machine, or one that is elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wan_render.devices import KIND_NAMES
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.farm.chosen_farm import planned_farm_devices
from wan_render.plan import FilmPlan
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.session.countdown import Expected
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import guessed_on, time_in_words, used_devices
from wan_render.session.run_devices import devices_elsewhere
from wan_render.session.wording import counted, lasting
from wan_render.status import FilmStatus, expected_times


@dataclass(frozen=True)
class PlanDevices:
    """kind: of the devices that the times are for; the backend's best if rendering happens elsewhere.
    devices: those here, empty if there is none of that kind. problem: why a render would find no device."""

    kind: str
    devices: tuple[Device, ...]
    problem: Problem | None = None


def plan_devices(session: Session, others: Collection[FilmPlan] = ()) -> PlanDevices:
    """The devices for a plan. others: plans of films that are rendered in the same run, which may bring devices along.
    Planning works on any machine, so nothing here is an error. A slower kind of device than the backend's best counts
    only if the settings name it: whoever plans on a laptop renders elsewhere."""
    best, plans = session.backend.device_kinds[0], (session.plan, *others)
    try:
        devices = planned_farm_devices(session.settings, session.backend.device_kinds)
    except (UsageError, MachineError) as error:
        return PlanDevices(best, (), error.problems[0])
    try:
        elsewhere = devices_elsewhere(session.settings, plans)
        if not devices:
            is_all_elsewhere = elsewhere and all(card.backend for plan in plans for card in plan.models.values())
            return PlanDevices(elsewhere[0].kind, elsewhere) if is_all_elsewhere else PlanDevices(best, ())
        return PlanDevices(devices[0].kind, (*devices, *elsewhere))
    except UsageError as error:
        if not devices:
            return PlanDevices(best, (), error.problems[0])
        return PlanDevices(devices[0].kind, devices, error.problems[0])


def time_on(
    session: Session, here: PlanDevices, found: FilmStatus, orders: Sequence[RenderOrder], timed: Expected
) -> str:
    """`about 12 min (10 to 15 min) on 2 devices, 0.4 GPU-hours`; `about 12 min on one NVIDIA H200 (no NVIDIA GPU is
    here; …)`."""
    words = time_in_words(timed, found, orders, devices_to_time(here, found, orders))
    cost = f", {timed.cost}" if timed.cost else ""
    if here.devices:
        return f"{words} on {counted(len(used_devices(orders, here.devices)), 'device')}{cost}"
    (elsewhere,) = devices_to_time(here, found, orders)
    return f"{words} on one {elsewhere.label} ({_why_elsewhere(session, here, found)}){cost}"


def devices_to_time(here: PlanDevices, found: FilmStatus, orders: Sequence[RenderOrder]) -> tuple[Device, ...]:
    """Those that are here; without any, one of the kind and model that the times are for."""
    if here.devices:
        return here.devices
    timed_on = guessed_on(found, orders, here.kind)
    return (Device(here.kind, timed_on or KIND_NAMES[here.kind], 0),)


def _why_elsewhere(session: Session, here: PlanDevices, found: FilmStatus) -> str:
    if here.problem is not None:
        return "no usable device is here"
    kind = session.backend.device_kinds[-1]
    times = expected_times(found.to_render, session.store, session.backend, kind, models=session.plan.models)
    seconds = sum(time.seconds for time in times.values())
    return f"no {KIND_NAMES[here.kind]} is here; on this {KIND_NAMES[kind]} about {lasting(seconds)}"
