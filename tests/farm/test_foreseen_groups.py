"""Groups in the forecast of a night."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.farm.orders import Grouping, grouped
from tests.farm.test_scheduler import continued
from wan_render.farm.groups.expected_time import KnownTimes, expected_seconds
from wan_render.farm.groups.foreseen_groups import ForeseenGroups
from wan_render.farm.groups.formation import JOINING_SECONDS
from wan_render.farm.ordering.estimates import KnownSeconds
from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.farm.ordering.policy import NightPolicy
from wan_render.farm.ordering.simulated_night import Conditions, SimulatedNight, simulate_night
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device


class Loaded(KnownSeconds):
    """Nothing has to be loaded."""

    def loading(self, order: RenderOrder, loaded: LoadedModel | None) -> float:  # noqa: ARG002
        return 0.0


def foreseen(orders: list[RenderOrder], devices: list[Device], groups: str = "auto") -> SimulatedNight:
    return simulate_night(
        orders,
        Conditions(
            [device.name for device in devices],
            Loaded("cuda"),
            NightPolicy(),
            groups=ForeseenGroups(devices, groups, KnownTimes({})),
        ),
    )


def gpus(count: int) -> list[Device]:
    return [Device(f"cuda:{number}", "one kind", 80) for number in range(count)]


def sizes(night: SimulatedNight) -> Counter[int]:
    return Counter(take.device.count("+") + 1 for take in night.takes)


def test_the_last_takes_of_a_night_get_groups_as_on_the_farm() -> None:
    orders = [grouped(str(number), f"1/{number:02}0") for number in range(20)]
    night = foreseen(orders, gpus(8))
    assert sizes(night) == {1: 16, 2: 4}
    assert night.end == 600 + 600 + JOINING_SECONDS + 300
    assert night.end == expected_seconds(orders, gpus(8), "auto", KnownTimes({}))
    assert sizes(foreseen(orders, gpus(8), "asked")) == {1: 20}


def test_a_take_that_asks_for_a_group_waits_for_its_devices() -> None:
    short = replace(grouped("short", "1/010"), backend=Grouping(100.0))
    night = foreseen([short, grouped("asks", "1/020", gpus=2)], gpus(2), "asked")
    asks = next(take for take in night.takes if take.order.shot == "1/020")
    assert (asks.device.count("+"), asks.end) == (1, asks.begin + JOINING_SECONDS + 300)
    assert len({take.begin for take in night.takes}) == 2


def test_a_chain_is_rendered_by_groups_and_unlike_devices_form_none() -> None:
    first = grouped("a", "1/010")
    second = replace(continued("b", "1/020", first), backend=Grouping())
    assert sizes(foreseen([first, second], gpus(4))) == {4: 2}
    assert sizes(foreseen([first, second], [*gpus(2), Device("cuda:9", "another", 40)])) == {1: 2}
