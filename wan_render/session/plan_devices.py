"""On what a plan's time is reckoned: the devices that a render would use here, or one that is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wan_render.devices import KIND_NAMES, planned_devices
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.production import RenderOrder
from wan_render.render_values import Device
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import expected_time, guessed_on, used_devices
from wan_render.session.wording import counted, lasting
from wan_render.status import FilmStatus, expected_times


@dataclass(frozen=True)
class PlanDevices:
    """kind: of the devices that times are for, the backend's best where that is to be rendered on elsewhere.
    devices: those here; none where none of the kind is. problem: why a render would find none."""

    kind: str
    devices: tuple[Device, ...]
    problem: Problem | None = None


def plan_devices(session: Session) -> PlanDevices:
    """A plan is made anywhere, so nothing about devices is an error. A slower kind that the backend can do with counts
    where it is asked for: who plans on a laptop renders elsewhere."""
    best = session.backend.device_kinds[0]
    try:
        devices = planned_devices(session.settings, session.backend.device_kinds)
    except (UsageError, MachineError) as error:
        return PlanDevices(best, (), error.problems[0])
    return PlanDevices(devices[0].kind if devices else best, devices)


def time_on(session: Session, ground: PlanDevices, found: FilmStatus, orders: Sequence[RenderOrder]) -> str:
    """`about 12 min on 2 devices`; `about 12 min on one NVIDIA H200 (no NVIDIA GPU is here; …)`."""
    groups = session.settings.groups
    if ground.devices:
        used = used_devices(orders, ground.devices)
        return f"{expected_time(found, orders, ground.devices, groups)} on {counted(len(used), 'device')}"
    timed_on = guessed_on(found, orders, ground.kind)
    elsewhere = Device(ground.kind, timed_on or KIND_NAMES[ground.kind], 0)
    time = expected_time(found, orders, (elsewhere,), groups)
    return f"{time} on one {elsewhere.label} ({_here(session, ground, found)})"


def _here(session: Session, ground: PlanDevices, found: FilmStatus) -> str:
    if ground.problem is not None:
        return "none that can be used is here"
    kind = session.backend.device_kinds[-1]
    times = expected_times(found.to_render, session.store, session.backend, kind)
    seconds = sum(time.seconds for time in times.values())
    return f"no {KIND_NAMES[ground.kind]} is here; on this {KIND_NAMES[kind]} about {lasting(seconds)}"
