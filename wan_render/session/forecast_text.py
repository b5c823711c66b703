"""What the terminal and the flows say about a run before it renders: how much, how long, how much disk space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from wan_render.estimates import TakeTime, spread
from wan_render.farm.groups.expected_time import KnownTimes, expected_seconds
from wan_render.price import Price
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.session.countdown import Expected
from wan_render.session.wording import SHORTEST_WITH_RANGE, counted, lasting, ranged
from wan_render.status import FilmStatus
from wan_render.store.disk import gigabytes
from wan_render.take import Take


def amount(found: FilmStatus, takes: Sequence[Take]) -> str:
    """`12 takes (6 of them parts of others)`. The table of shots does not show those six."""
    shown = {take.key for shot in found.shots for take in shot.takes} | {each.key for each in found.paintings.values()}
    parts = sum(take.key not in shown for take in takes)
    return counted(len(takes), "take") + (f" ({parts} of them parts of others)" if parts else "")


def forecast(
    before: FilmStatus,
    orders: Sequence[RenderOrder],
    devices: Sequence[Device],
    groups: str,
    price: Price | None = None,
) -> str:
    """One sentence about a run: the number of takes, the expected time, what it costs, and the disk space."""
    if not orders:
        missing = [shot.id for shot in before.shots if any(take.clip is None for take in shot.takes)]
        takes = f"no take to render; missing: {', '.join(missing)}" if missing else "every take exists"
        if before.undelivered:
            return f"{takes}; to make of the film: {', '.join(before.undelivered)}"
        return takes + (f"; the film is made again: {before.film_change}" if before.film_change else "")
    of_all = f" ({len(before.to_render)} missing in all)" if len(before.to_render) != len(orders) else ""
    space = gigabytes(round(before.bytes * len(orders) / max(len(before.to_render), 1)))
    takes = amount(before, [order.take for order in orders])
    timed = expected(before, orders, devices, groups, price)
    used = used_devices(orders, devices)
    film = f"then {lasting(before.film_seconds)} for the film, " if before.film_seconds else ""
    return (
        f"{takes} to render on {counted(len(used), 'device')}{of_all}: "
        f"{time_in_words(timed, before, orders, devices)}{_also(timed.cost)}, "
        f"{film}{space}"
    )


def expected(
    before: FilmStatus,
    orders: Sequence[RenderOrder],
    devices: Sequence[Device],
    groups: str,
    price: Price | None = None,
) -> Expected:
    """The expected time of a run, with its range and its price. price: of an hour of a GPU."""
    return expected_run(before.times, orders, devices, groups, price, before.film_seconds)


def expected_run(
    known_times: Mapping[str, TakeTime],
    orders: Sequence[RenderOrder],
    devices: Sequence[Device],
    groups: str,
    price: Price | None = None,
    film: float = 0.0,
) -> Expected:
    """The same for orders of any films. known_times: of every order, by key. film: seconds for the last film."""
    alone = {key: time.seconds for key, time in known_times.items()}
    if not orders:
        return Expected(0.0, alone, film)
    loading = _loading_seconds(known_times, orders, len(devices))
    known = KnownTimes(alone, {key: time.together for key, time in known_times.items()})
    takes = expected_seconds(orders, devices, groups, known) + loading / len(devices)
    times = [known_times[order.take.key] for order in orders]
    here = [known_times[order.take.key].seconds for order in orders if not order.card.backend]
    hours = (sum(here) + loading) / 3600 if devices[0].kind == "cuda" and here else 0.0
    cost = price.times(hours) if price is not None and hours else None
    return Expected(takes, alone, film, spread(times, len(devices)), hours, cost)


def _loading_seconds(times: Mapping[str, TakeTime], orders: Sequence[RenderOrder], devices: int) -> float:
    """Seconds that all devices together need to load the models: each loads each model once, if it gets a take."""
    rendered = [order for order in orders if not order.take.through]
    counts = Counter((order.take.model, order.take.sampling.profile_variant) for order in rendered)
    loads = {
        (order.take.model, order.take.sampling.profile_variant): times[order.take.key].loading for order in rendered
    }
    return sum(min(devices, counts[model]) * seconds for model, seconds in loads.items())


def time_in_words(timed: Expected, found: FilmStatus, orders: Sequence[RenderOrder], devices: Sequence[Device]) -> str:
    """`about 12 min (10 to 15 min)`. If nothing was measured on such devices: `about 12 min (5 to 26 min, estimated for
    NVIDIA H200)`."""
    timed_on = guessed_on(found, orders, devices[0].kind)
    is_another = bool(timed_on) and any(device.label != timed_on for device in used_devices(orders, devices))
    is_guessed = any(found.times[order.take.key].is_guessed for order in orders)
    is_long = timed.takes >= SHORTEST_WITH_RANGE
    remark = f"estimated for {timed_on}" if is_another else "estimated" if is_guessed and is_long else ""
    return f"about {ranged(timed.takes, *timed.spread.around(timed.takes), remark)}"


def used_devices(orders: Sequence[RenderOrder], devices: Sequence[Device]) -> tuple[Device, ...]:
    """The devices that can render some of these orders. All devices if none can."""
    able = {device for order in orders for device in order.able(devices)}
    return tuple(device for device in devices if device in able or not able)


def guessed_on(found: FilmStatus, orders: Sequence[RenderOrder], device_kind: str) -> str:
    """The device that the times are from, if no similar take was measured here for some order; otherwise ""."""
    guessed = (order for order in orders if found.times[order.take.key].is_guessed)
    return next((order.backend.timed_on(device_kind) for order in guessed), "")


def _also(words: str) -> str:
    return f", {words}" if words else ""
