"""Who may be rendered when."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from tests.production.solid import CARD, SIZE, Solid, a_take
from wan_render.errors import DeviceError, Problem, RenderError
from wan_render.production import Precedence, RenderOrder
from wan_render.store import Clip
from wan_render.take import FramePlate, Take

SOLID = Solid(Path("diary"))


def order(take: Take, shot: str) -> RenderOrder:
    return RenderOrder(take, SOLID, CARD, {}, shot, 1)


def clip(of: RenderOrder) -> Clip:
    return Clip(of.take.key, Path(), 5, SIZE, Fraction(16))


ONE = order(a_take("one"), "1/010")
TWO = order(replace(a_take("two"), first=FramePlate(ONE.take.key, 4, SIZE)), "1/020")
THREE = order(replace(a_take("three"), first=FramePlate(TWO.take.key, 4, SIZE)), "1/030")
FREE = order(a_take("free"), "1/040")


def test_what_is_ready_goes_first_and_the_rest_when_its_needs_have_ended() -> None:
    precedence = Precedence([ONE, TWO, FREE])
    assert precedence.next() == ONE
    assert precedence.next() == FREE, "a device need not wait for what waits"
    precedence.ended(ONE, clip(ONE))
    assert precedence.next() == TWO
    assert precedence.unmet(TWO) is None
    assert precedence.next() is None


def test_what_is_not_of_this_run_is_in_the_store() -> None:
    assert Precedence([TWO]).next() == TWO


def test_a_failure_is_passed_on_to_all_that_need_it() -> None:
    precedence = Precedence([ONE, TWO, THREE])
    precedence.ended(ONE, DeviceError(Problem("1/010", "died", remedy="cool it")))
    for waiting in (TWO, THREE):
        precedence.wait(waiting)
        error = precedence.unmet(waiting)
        assert isinstance(error, RenderError)
        assert not error.worth_retrying
        precedence.ended(waiting, error)
    assert str(precedence.outcomes[TWO]) == "1/020: needs 1/010 take 1, which could not be rendered: died; cool it"
    assert "needs 1/020 take 1" in str(precedence.outcomes[THREE])


def test_threads_wait_for_each_other_and_all_is_rendered_in_order() -> None:
    done: list[RenderOrder] = []
    precedence = Precedence([ONE, TWO, FREE, THREE])

    def work() -> None:
        while (found := precedence.next()) is not None:
            done.append(found)
            precedence.ended(found, clip(found))

    with ThreadPoolExecutor(4) as threads:
        for thread in [threads.submit(work) for _ in range(4)]:
            thread.result(timeout=10)
    chain = [each for each in done if each is not FREE]
    assert chain == [ONE, TWO, THREE]
    assert len(done) == 4


def test_a_stop_wakes_those_who_wait() -> None:
    precedence = Precedence([ONE, TWO])
    assert precedence.next() == ONE
    waiting = [
        threading.Thread(target=precedence.next),
        threading.Thread(target=precedence.wait, args=(TWO,)),
    ]
    for thread in waiting:
        thread.start()
    precedence.stop()
    for thread in waiting:
        thread.join(10)
        assert not thread.is_alive()
    assert precedence.next() is None
