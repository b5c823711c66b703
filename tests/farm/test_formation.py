"""How many devices the next take gets: single decisions, and simulated runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.farm.orders import Grouping, grouped
from wan_render.farm.groups.expected_time import KnownTimes, expected_seconds
from wan_render.farm.groups.formation import MARGIN, Coming, formation
from wan_render.farm.groups.formation import simulated_end as expected_end
from wan_render.farm.groups.simulation import SimulatedRun
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.take import FramePlate

SIZES = (1, 2, 4, 8)


def equal(count: int, seconds: float = 600.0, share: float = 1.0) -> list[Coming]:
    """share: of each further device's work that is of use."""
    return [Coming({size: seconds / (1 + share * (size - 1)) for size in SIZES})] * count


def run_time(coming: Sequence[Coming], devices: int, joining: float = 0.0) -> tuple[float, list[int]]:
    """When a run ends that decides again for each take, and how many devices each take got. No take needs others."""
    free, sizes = [0.0] * devices, []
    for place in range(len(coming)):
        now = min(free)
        found = formation(coming[place:], [device - now for device in free], joining)
        sizes.append(found.devices)
        free.sort()
        joined = joining if found.devices > 1 else 0.0
        end = free[found.devices - 1] + joined + coming[place].seconds[found.devices]
        free = [end] * found.devices + free[found.devices :]
    return max(free), sizes


def test_twenty_on_eight_are_two_waves_alone_and_four_groups_of_two() -> None:
    assert run_time(equal(20), 8) == (1500.0, [1] * 16 + [2] * 4)


def test_one_on_two_is_a_group() -> None:
    assert formation(equal(1), [0.0, 0.0]).devices == 2


def test_the_third_of_three_on_two_is_a_group() -> None:
    assert run_time(equal(3), 2) == (900.0, [1, 1, 2])


def test_full_waves_are_alone() -> None:
    assert run_time(equal(16), 8)[1] == [1] * 16


def test_a_take_too_short_to_be_worth_joining_is_alone() -> None:
    assert formation(equal(1, seconds=8.0), [0.0, 0.0], joining=5.0).devices == 1


def test_a_group_is_not_waited_for_where_that_takes_longer() -> None:
    assert formation(equal(1), [0.0, 500.0]).devices == 1
    assert formation(equal(1), [0.0, 100.0]).devices == 2


def test_a_gain_within_the_margin_is_not_taken() -> None:
    assert formation(equal(1, share=MARGIN / 2), [0.0, 0.0], joining=0.0).devices == 1


def test_no_more_devices_than_there_are_and_than_the_take_can_use() -> None:
    assert formation(equal(1), [0.0] * 3).devices == 2
    assert formation([Coming({1: 600.0})], [0.0] * 8).devices == 1
    assert formation([Coming({4: 150.0})], [0.0] * 8).devices == 4


def test_a_long_take_that_comes_last_is_a_group() -> None:
    long = Coming({1: 2000.0, 2: 1000.0})
    assert run_time([*equal(2), long], 2) == (1600.0, [1, 1, 2])


def test_takes_that_each_need_the_one_before_are_groups_however_many_they_are() -> None:
    """Only one can be rendered at a time: without groups the other device has nothing to do for the whole run."""
    chain = [Coming({1: 600.0, 2: 300.0}, needs=(place - 1,) if place else ()) for place in range(40)]
    assert formation(chain, [0.0, 0.0]).devices == 2


def test_two_chains_on_two_devices_are_alone() -> None:
    chains = [Coming({1: 600.0, 2: 300.0}, needs=(place - 2,) if place > 1 else ()) for place in range(10)]
    assert formation(chains, [0.0, 0.0]).devices == 1


def test_what_needs_a_take_that_is_rendered_now_is_not_taken_for_ready() -> None:
    """The other device will be idle until then, whoever helps."""
    later = Coming({1: 600.0}, after=900.0)
    assert formation([Coming({1: 600.0, 2: 300.0}), later], [0.0, 0.0]).devices == 1
    assert formation([Coming({1: 900.0, 2: 450.0}), Coming({1: 600.0}, needs=(0,))], [0.0, 0.0]).devices == 2


comings = st.builds(
    lambda seconds, share, most: Coming({size: seconds / (1 + share * (size - 1)) for size in SIZES if size <= most}),
    st.floats(1, 2000),
    st.floats(0, 1),
    st.sampled_from(SIZES),
)
devices_free = st.lists(st.floats(0, 2000), min_size=1, max_size=8)


def alone(coming: Sequence[Coming]) -> list[Coming]:
    return [Coming({1: take.seconds[1]}) for take in coming]


@given(st.lists(comings, min_size=1, max_size=20), devices_free)
def test_by_its_own_estimate_a_run_never_ends_later_than_alone(coming: list[Coming], free: list[float]) -> None:
    found = formation(coming, free)
    assert found.devices in coming[0].seconds
    assert found.devices <= max(len(free), 1)
    assert found.seconds <= formation(alone(coming), free).seconds


@given(st.lists(comings, min_size=1, max_size=16), st.integers(1, 8))
def test_a_run_that_goes_as_estimated_does_not_end_later_than_alone(coming: list[Coming], devices: int) -> None:
    assert run_time(coming, devices, joining=5.0)[0] <= run_time(alone(coming), devices)[0] * (1 + MARGIN)


# The whole run


@given(st.lists(comings, min_size=1, max_size=16), st.integers(1, 8))
def test_a_run_is_expected_as_it_is_decided_take_by_take(coming: list[Coming], devices: int) -> None:
    assert expected_end(coming, [0.0] * devices, 5.0) == pytest.approx(run_time(coming, devices, joining=5.0)[0])


def test_takes_that_each_need_the_one_before_are_expected_in_groups() -> None:
    chain = [Coming({1: 600.0, 2: 300.0}, needs=(place - 1,) if place else ()) for place in range(40)]
    assert expected_end(chain, [0.0, 0.0], 5.0) == 40 * 305.0
    alone = [replace(take, seconds={1: 600.0}) for take in chain]
    assert expected_end(alone, [0.0, 0.0], 5.0) == 40 * 600.0


def test_a_take_that_joins_others_comes_after_them() -> None:
    joined = Coming({1: 10.0}, needs=(0, 1))
    assert expected_end([Coming({1: 600.0}), Coming({1: 400.0}), joined], [0.0] * 3) == 610.0


# What a farm knows


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def all_sizes(order: RenderOrder) -> tuple[int, ...]:
    return order.backend.group_sizes(order.take, order.card)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_takes_that_are_slower_than_estimated_are_expected_to_be_so(clock: Clock) -> None:
    simulated, first, second = SimulatedRun("cuda", clock), grouped("a", "1"), grouped("b", "2")
    simulated.begins(first, 1)
    assert simulated.left(first.take.key) == 600.0
    clock.now = 1200.0
    simulated.rendered(first)
    assert simulated.left(first.take.key) == 0.0
    simulated.begins(second, 2)
    assert simulated.left(second.take.key) == 600.0


def test_a_take_that_is_late_is_not_taken_for_done(clock: Clock) -> None:
    simulated, late = SimulatedRun("cuda", clock), grouped("a")
    simulated.begins(late, 1)
    clock.now = 900.0
    assert simulated.left(late.take.key) == 300.0


def test_the_end_of_a_run_is_known_from_what_is_expected(clock: Clock) -> None:
    simulated, orders = SimulatedRun("cuda", clock), [grouped(str(shot), str(shot)) for shot in range(4)]
    simulated.expect(orders)
    assert simulated.devices(orders[0], [], [0.0, 0.0], all_sizes) == 1
    simulated.expect(orders[:1])
    assert simulated.devices(orders[0], [], [0.0, 0.0], all_sizes) == 2


def test_a_helper_that_has_to_load_the_model_first_is_worth_it_for_long_takes_only(clock: Clock) -> None:
    for seconds, devices in ((60.0, 1), (600.0, 2)):
        order = grouped("a", str(seconds), backend=Grouping(seconds=seconds))
        assert SimulatedRun("cuda", clock).devices(order, [], [0.0, 0.0], all_sizes) == 2
        assert SimulatedRun("cuda", clock).devices(order, [], [0.0, 0.0], all_sizes, helpers_load=True) == devices


def test_a_decision_stands_until_something_happens(clock: Clock) -> None:
    simulated, one, two = SimulatedRun("cuda", clock), grouped("a", "1"), grouped("b", "2")
    assert simulated.devices(one, [], [0.0, 0.0], all_sizes) == 2
    assert simulated.devices(one, [], [0.0, 900.0], all_sizes) == 2
    simulated.begins(two, 1)
    assert simulated.devices(one, [], [0.0, 900.0], all_sizes) == 1


def test_a_shot_that_continues_another_waits_for_it(clock: Clock) -> None:
    first, free = grouped("a", "1"), grouped("b", "2")
    plate = FramePlate(first.take.key, 8, first.take.size)
    following = grouped("c", "3", backend=Grouping(seconds=1200.0))
    following = replace(following, take=replace(following.take, first=plate))
    simulated = SimulatedRun("cuda", clock)
    simulated.expect([first, following, free])
    assert simulated.devices(first, [], [0.0, 0.0], all_sizes) == 2
    simulated.begins(first, 2)
    coming = simulated._coming(free, [], all_sizes)
    assert [(take.after, take.needs) for take in coming] == [(0.0, ()), (300.0, ())]


# What is said before it begins

H200 = [Device(f"cuda:{number}", "NVIDIA H200", 143, pin=f"GPU-{number}") for number in range(4)]


@pytest.mark.parametrize(
    ("groups", "gpus", "seconds"),
    [
        ("auto", None, 600.0 + 300.0 + 5.0),
        ("asked", None, 1200.0),
        ("asked", 2, 3 * (300.0 + 5.0)),
        ("auto", 1, 1200.0),
        ("off", 2, 1200.0),
    ],
)
def test_three_takes_on_two_devices_are_expected_by_the_farms_own_rules(
    groups: str, gpus: int | None, seconds: float
) -> None:
    orders = [grouped(str(shot), str(shot), gpus=gpus) for shot in range(3)]
    assert expected_seconds(orders, H200[:2], groups, KnownTimes({})) == seconds


def test_different_devices_form_no_automatic_group() -> None:
    mixed = [H200[0], Device("cuda:1", "NVIDIA A100", 80)]
    assert expected_seconds([grouped("a")], mixed, "auto", KnownTimes({})) == 600.0
    assert expected_seconds([grouped("a")], H200[:2], "auto", KnownTimes({})) == 305.0


def test_what_was_measured_counts_and_a_group_shares_it() -> None:
    order = grouped("a")
    assert expected_seconds([order], H200[:1], "auto", KnownTimes({order.take.key: 900.0})) == 900.0
    assert expected_seconds([order], H200[:2], "auto", KnownTimes({order.take.key: 900.0})) == 455.0
    assert expected_seconds([order], H200, "auto", KnownTimes({order.take.key: 900.0})) == 230.0


def test_a_group_takes_what_groups_of_its_size_took() -> None:
    order = grouped("a")
    known = KnownTimes({order.take.key: 900.0}, {order.take.key: {2: 700.0}})
    assert expected_seconds([order], H200[:2], "auto", known) == 705.0


def test_a_farm_with_nothing_to_do_is_done() -> None:
    assert expected_seconds([], H200, "auto", KnownTimes({})) == 0.0
