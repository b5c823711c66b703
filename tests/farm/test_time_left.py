"""The margin of a night's estimates, and what devices have loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.farm.orders import order
from wan_render.farm.ordering.devices_in_use import DevicesInUse, IdleDevice, best_suited
from wan_render.farm.ordering.loaded import loaded_by, misfit
from wan_render.farm.ordering.time_left import GUESSED_RATIO, OVERRUN_SECONDS, Deadline, Margin, Margins, margin_of
from wan_render.production.render_order import RenderOrder
from wan_render.take import Lora

A, B = ("animatic/1", "a@1", ("exact", "")), ("animatic/1", "b@1", ("exact", ""))


def test_before_any_take_the_margin_is_what_is_supposed() -> None:
    margins = Margins()
    assert margins.margin(A) == Margin(GUESSED_RATIO, GUESSED_RATIO)
    margins.suppose(A, 1.1)
    margins.suppose(A, 1.2)
    assert margins.margin(A) == Margin(1.2, 1.2)
    assert margins.margin(B) == Margin(GUESSED_RATIO, GUESSED_RATIO)


def test_a_margin_comes_near_to_what_takes_need() -> None:
    margins = Margins()
    for _ in range(200):
        margins.observe(A, 100.0, 105.0)
    assert margins.margin(A).usual == pytest.approx(1.05, abs=0.03)
    assert margins.margin(B).usual == GUESSED_RATIO


def test_few_takes_do_not_shrink_it_much() -> None:
    assert margin_of([0.9, 0.9, 0.9], 1.4).worst > 1.3


def test_a_device_that_is_much_slower_than_guessed_is_believed_at_once() -> None:
    assert margin_of([5.0], 1.4) == Margin(5.0, 5.0)


def test_the_worst_take_is_yet_to_come() -> None:
    found = margin_of([0.8, 1.0, 1.2], 1.2)
    assert found.worst > found.usual == pytest.approx(1.2)


def test_one_outlier_among_many_does_not_make_every_take_late() -> None:
    found = margin_of([1.0] * 99 + [5.0], 1.0)
    assert found.usual == 1.0
    assert found.worst > 4.0
    assert found.room(1000.0) == pytest.approx((1000.0 + OVERRUN_SECONDS) / found.worst)


def test_takes_of_no_length_teach_nothing() -> None:
    margins = Margins()
    margins.observe(A, 0.0, 3.0)
    margins.observe(A, 100.0, 0.0)
    assert margins.margin(A) == Margin(GUESSED_RATIO, GUESSED_RATIO)


def test_a_copy_learns_on_its_own() -> None:
    margins = Margins()
    margins.suppose(A, 1.1)
    copied = margins.copy()
    copied.observe(A, 100.0, 150.0)
    assert margins.margin(A) == Margin(1.1, 1.1) != copied.margin(A)


def test_the_film_that_needs_most_time_to_be_finished_counts() -> None:
    deadline = Deadline(1000.0, {"a": 100.0, "b": 50.0})
    assert deadline.seconds_left({"a", "b"}, now=200.0) == 700.0
    assert deadline.seconds_left({"c"}, now=200.0) == 800.0


# What is loaded


def with_lora(found: RenderOrder) -> RenderOrder:
    return replace(found, take=replace(found.take, loras=(Lora("a" * 64, 1.0),)))


def test_the_device_with_the_least_to_load_gets_an_order() -> None:
    plain, lora, other = order("x"), with_lora(order("x")), order("x", model="b@1")
    idle = [
        IdleDevice("another", loaded_by(other)),
        IdleDevice("nothing"),
        IdleDevice("plain", loaded_by(plain)),
        IdleDevice("lora", loaded_by(lora)),
    ]
    while idle:
        best, last = best_suited(lora, idle), idle.pop()
        assert best is last
    assert best_suited(lora, idle) is None
    assert best_suited(replace(lora, barred=frozenset({"cpu"})), [IdleDevice("cpu")]) is None


def test_an_order_that_waits_is_expected_on_the_device_that_suits_it() -> None:
    use, first = DevicesInUse(["a", "b"]), order("x")
    use.place(first, ["b"])
    use.leave(first)
    use.begin(order("y"))
    assert [device.name for device in use.idle] == ["a"]
    assert [device.name for device in use.unoccupied] == ["a", "b"]


def test_after_a_failure_nothing_counts_as_loaded() -> None:
    use, failing = DevicesInUse(["a"]), order("x")
    use.place(failing, ["a"])
    use.fail(failing)
    assert use.unoccupied == [IdleDevice("a")]
    assert use.idle == []  # it is retried
    assert misfit(failing, None) == 2
