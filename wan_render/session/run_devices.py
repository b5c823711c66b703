"""The devices of a run: those of its farm, and those that other backends of its film bring along."""

from __future__ import annotations

from collections.abc import Iterable

from wan_render.backends import own_devices
from wan_render.farm.chosen_farm import farm_devices
from wan_render.plan import FilmPlan
from wan_render.render_values import Device
from wan_render.session.film_session import Session
from wan_render.settings import MachineSettings


def run_devices(session: Session, plan: FilmPlan) -> tuple[Device, ...]:
    """The devices that render a plan, those of its farm first. Raises UsageError and MachineError."""
    here = farm_devices(session.settings, session.backend.device_kinds)
    return (*here, *devices_elsewhere(session.settings, (plan,)))


def devices_elsewhere(settings: MachineSettings, plans: Iterable[FilmPlan]) -> tuple[Device, ...]:
    """The devices of the backends that some of the plans' models name. Raises UsageError."""
    needed = dict.fromkeys(card.backend for plan in plans for card in plan.models.values())
    return own_devices(settings, needed)
