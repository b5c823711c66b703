"""How times, ranges and prices are worded."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.farm.orders import order
from wan_render.estimates import Spread
from wan_render.price import Price
from wan_render.render_values import Phase, Progress
from wan_render.session.countdown import Expected, RunCountdown
from wan_render.session.wording import ranged


@pytest.mark.parametrize(
    ("seconds", "low", "high", "words"),
    [
        (40, 20, 80, "40 s"),
        (480, 370, 620, "8 min (6 to 11 min)"),
        (480, 470, 490, "8 min"),
        (720, 600, 900, "12 min (10 to 15 min)"),
        (3000, 1800, 6500, "50 min (30 min to 1 h 50)"),
        (18600, 16800, 21600, "5 h 10 min (4 h 40 to 6 h)"),
        (18600, 18500, 18800, "5 h 10 min"),
        (1e6, 5e5, 2e6, "12 days (5 to 24 days)"),
    ],
)
def test_a_range_is_rounded_outwards_and_left_out_where_it_says_nothing(
    seconds: float, low: float, high: float, words: str
) -> None:
    assert ranged(seconds, low, high) == words


def test_a_remark_stands_with_the_range() -> None:
    assert ranged(720, 600, 900, "estimated") == "12 min (10 to 15 min, estimated)"
    assert ranged(72, 60, 90, "estimated") == "72 s (estimated)"


def test_gpu_hours_are_counted_and_priced() -> None:
    price = Price.read(" 2.50 EUR ")
    assert Expected(gpu_hours=9.8, price=price.times(9.8)).cost == "9.8 GPU-hours, about 24.50 EUR"
    assert Expected(gpu_hours=0.14).cost == "0.14 GPU-hours"
    assert Expected().cost == ""
    assert str(Price(Decimal("2.5"))) == "2.5"


@pytest.mark.parametrize("text", ["", "free", "-1", "1e3", "NaN", "1,5", "2.5 E2R", "٣", "1 \x1b[31m", "9" * 20])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"2\.50 EUR"):
        Price.read(text)


def test_the_range_of_a_run_tightens_while_it_renders() -> None:
    orders = [order("nothing", str(number)) for number in range(10)]
    left = RunCountdown(orders, Expected(36000.0, {each.take.key: 3600.0 for each in orders}, 60.0, Spread(doubt=0.3)))
    assert left.in_words == "10 h 01 min (6 h to 15 h)"
    for each in orders[:9]:
        left.hear(each, Progress(Phase.STEP, 1, 1))
    assert left.in_words == "14 min (12 to 15 min)", "from 6 to 15 h, which is 0.6 to 1.5 times the expected time"
