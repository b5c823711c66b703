"""What the terminal and the flows say about a run before it renders: how much, how long, how much disk space."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.farm.groups.expected_time import expected_seconds
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.session.countdown import Expected
from wan_render.session.wording import counted, gigabytes, lasting
from wan_render.status import FilmStatus
from wan_render.take import Take


def amount(found: FilmStatus, takes: Sequence[Take]) -> str:
    """`12 takes (6 of them parts of others)`. The table of shots does not show those six."""
    shown = {take.key for shot in found.shots for take in shot.takes} | {each.key for each in found.paintings.values()}
    parts = sum(take.key not in shown for take in takes)
    return counted(len(takes), "take") + (f" ({parts} of them parts of others)" if parts else "")


def forecast(before: FilmStatus, orders: Sequence[RenderOrder], devices: Sequence[Device], groups: str) -> str:
    """One sentence about a run: the number of takes, the expected time, and the disk space."""
    if not orders:
        missing = [shot.id for shot in before.shots if any(take.clip is None for take in shot.takes)]
        takes = f"no take to render; missing: {', '.join(missing)}" if missing else "every take exists"
        return takes + (f"; the film is made again: {before.film_change}" if before.film_change else "")
    of_all = f" ({len(before.to_render)} missing in all)" if len(before.to_render) != len(orders) else ""
    space = gigabytes(round(before.bytes * len(orders) / max(len(before.to_render), 1)))
    takes = amount(before, [order.take for order in orders])
    time = expected_time(before, orders, devices, groups)
    used = used_devices(orders, devices)
    return (
        f"{takes} to render on {counted(len(used), 'device')}{of_all}: {time}, "
        f"then {lasting(before.film_seconds)} for the film, {space}"
    )


def expected(before: FilmStatus, orders: Sequence[RenderOrder], devices: Sequence[Device], groups: str) -> Expected:
    """The expected time of a run in seconds, for a countdown."""
    alone = {key: time.seconds for key, time in before.times.items()}
    takes = expected_seconds(orders, devices, groups, alone) if orders else 0.0
    return Expected(takes, alone, before.film_seconds)


def expected_time(found: FilmStatus, orders: Sequence[RenderOrder], devices: Sequence[Device], groups: str) -> str:
    """`about 12 min`. If the times were measured on another device: `about 12 min (estimated for NVIDIA H200)`."""
    alone = {key: time.seconds for key, time in found.times.items()}
    seconds = expected_seconds(orders, devices, groups, alone)
    timed_on = guessed_on(found, orders, devices[0].kind)
    is_another = bool(timed_on) and any(device.label != timed_on for device in used_devices(orders, devices))
    return f"about {lasting(seconds)}" + (f" (estimated for {timed_on})" if is_another else "")


def used_devices(orders: Sequence[RenderOrder], devices: Sequence[Device]) -> tuple[Device, ...]:
    """The devices that can render some of these orders. All devices if none can."""
    able = {device for order in orders for device in order.able(devices)}
    return tuple(device for device in devices if device in able or not able)


def guessed_on(found: FilmStatus, orders: Sequence[RenderOrder], device_kind: str) -> str:
    """The device that the times are from, if no similar take was measured here for some order; otherwise ""."""
    guessed = (order for order in orders if found.times[order.take.key].is_guessed)
    return next((order.backend.timed_on(device_kind) for order in guessed), "")
