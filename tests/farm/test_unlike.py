"""Devices that cannot render a take: it never comes to them, and what waits for the others keeps them from nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.orders import Grouping, device, grouped, nobody, order
from tests.farm.test_groups import FOUR, begins, begun, released
from tests.farm.test_stopping import said, until
from wan_render.errors import DeviceError, MachineError
from wan_render.farm.attempt_events import AttemptFailed, Event
from wan_render.farm.attempts import Attempts
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import render_all
from wan_render.production.render_order import RenderOrder
from wan_render.store import Clip
from wan_render.take import FramePlate

HANDLER = "tests.farm.duties:together"
WEAK = frozenset(FOUR[:3])
"""Of four devices the last alone can render what is barred from these."""


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as found:
        yield found


def barred(prompt: str, shot: str, names: frozenset[str] = WEAK, gpus: int | None = None) -> RenderOrder:
    return replace(grouped(prompt, shot, gpus), barred=names)


def places(folder: Path, shots: str) -> set[str]:
    """Where these shots were begun: each is a letter."""
    return {words.partition(" ")[0] for shot in shots for words in begins(folder, shot)}


def test_of_four_devices_the_one_that_can_gets_every_attempt(open_farm: OpenFarm, tmp_path: Path) -> None:
    """Three others, as many as there are attempts, would make it a slate."""
    failed: list[Event] = []
    orders = [barred("kill once", "1"), *(barred("nothing", shot) for shot in "234")]
    outcomes = render_all(
        orders,
        open_farm(*FOUR, handler=HANDLER),
        lambda _, event: failed.append(event) if isinstance(event, AttemptFailed) else None,
        RunTerms(attempts=lambda: Attempts(limit=2)),
    )
    assert all(isinstance(outcome, Clip) for outcome in outcomes.values())
    assert places(tmp_path, "1234") == {"cuda:3"}
    assert len(failed) == 1


def test_takes_that_wait_for_one_device_keep_no_other_idle(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    """More of them, and earlier ones, than there are threads for one kind of take."""
    farm = open_farm(*FOUR, handler=HANDLER)
    waiting = [barred("hold go", f"{shot}w") for shot in range(9)]
    others = [grouped("nothing", shot) for shot in "abcdef"]
    with released(tmp_path / "go"):
        run = threads.submit(render_all, [*waiting, *others], farm)
        until(lambda: all(begins(tmp_path, shot) for shot in "abcdef"))
        until(lambda: any("w on" in line for line in begun(tmp_path)))
        assert len([line for line in begun(tmp_path) if "w on" in line]) == 1
        assert places(tmp_path, "abcdef") <= WEAK
    assert all(isinstance(outcome, Clip) for outcome in run.result(60).values())
    assert all(" on cuda:3 " in line for line in begun(tmp_path) if "w on" in line)


def test_the_only_device_for_a_take_is_left_to_it(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    """The first device in the list would be the first that any take gets."""
    farm, only = open_farm("cuda:0", "cuda:1", handler=HANDLER), frozenset({"cuda:1"})
    coming = [grouped("hold go", "a"), barred("hold go", "b", only)]
    farm.expect(coming)
    with released(tmp_path / "go"):
        threads.submit(farm.render, coming[0], nobody)
        until(lambda: begins(tmp_path, "a"))
        second = threads.submit(farm.render, coming[1], nobody)
        until(lambda: begins(tmp_path, "b"))
    assert device(second.result(60)) == "cuda:0"
    assert places(tmp_path, "a") == {"cuda:1"}


def test_a_device_is_not_kept_for_a_take_that_waits_for_another(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    farm, only = open_farm("cuda:0", "cuda:1", handler=HANDLER), frozenset({"cuda:1"})
    first, second, later = grouped("hold go", "a"), grouped("nothing", "b"), barred("nothing", "c", only)
    plate = FramePlate(first.take.key, 8, first.take.size)
    farm.expect([first, second, replace(later, take=replace(later.take, first=plate))])
    with released(tmp_path / "go"):
        threads.submit(farm.render, first, nobody)
        until(lambda: begins(tmp_path, "a"))
        threads.submit(farm.render, second, nobody).result(60)
    assert places(tmp_path, "ab") == {"cuda:0", "cuda:1"}


@pytest.mark.parametrize("groups", ["asked", "auto"])
def test_a_group_is_made_of_devices_that_can(
    open_farm: OpenFarm, tmp_path: Path, caplog: pytest.LogCaptureFixture, groups: str
) -> None:
    farm, weak = open_farm(*FOUR, handler=HANDLER, groups=groups), frozenset({"cuda:0", "cuda:2"})
    asked = 4 if groups == "asked" else None
    clip = render_all([asked_for := barred("nothing", "1", weak, asked)], farm)[asked_for]
    assert isinstance(clip, Clip)
    assert sorted(begins(tmp_path, "1")) == ["cuda:1 0 of 2", "cuda:3 1 of 2"]
    told = "1 take 1 asks for 4 devices but gets 2: no more identical devices that can render it are available"
    assert bool(said(caplog, told)) == (groups == "asked")


def test_no_group_that_nobody_asked_for_takes_a_device_that_others_could_have(
    open_farm: OpenFarm, tmp_path: Path
) -> None:
    farm, weak = open_farm(*FOUR, handler=HANDLER, groups="auto"), frozenset({"cuda:0", "cuda:2"})
    first, short = barred("nothing", "1", weak), grouped("nothing", "2", backend=Grouping(seconds=10.0))
    farm.expect([first, short])
    farm.render(first, nobody)
    assert begins(tmp_path, "1") == ["cuda:1 alone"]


def test_where_every_device_that_can_has_failed_again_and_again_it_is_used_all_the_same(
    open_farm: OpenFarm, caplog: pytest.LogCaptureFixture
) -> None:
    farm, weak = open_farm("cuda:0", "cuda:1", handler=HANDLER), frozenset({"cuda:0"})
    for shot in ("1", "2"):
        with pytest.raises(DeviceError):
            farm.render(barred("kill", shot, weak), nobody)
    for shot in ("3", "4"):
        assert device(farm.render(barred("nothing", shot, weak), nobody)) == "cuda:1"
    assert said(caplog, "quarantine") == [
        "cuda:1 is quarantined: several different shots failed on it",
        "cuda:1 gets 3 despite its quarantine: no other device can render it",
    ]


def test_what_no_device_of_a_farm_can_render_is_refused_and_not_waited_for(open_farm: OpenFarm) -> None:
    farm, impossible = open_farm("cuda:0", "cuda:1", handler=HANDLER), barred("nothing", "1")
    with pytest.raises(MachineError, match="1: can be rendered on none of cuda:0, cuda:1"):
        farm.render(impossible, nobody)
    assert isinstance(render_all([impossible], farm)[impossible], MachineError)


def test_a_device_that_others_hold_and_that_cannot_render_it_is_not_waited_for(
    open_farm: OpenFarm, caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor
) -> None:
    other, farm = open_farm("cuda:0", "cuda:1", handler=HANDLER), open_farm("cuda:0", "cuda:1", handler=HANDLER)
    for name in ("cuda:0", "cuda:1"):
        other.render(barred("nothing", name, frozenset({name})), nobody)
    waiting = threads.submit(farm.render, barred("nothing", "2", frozenset({"cuda:0"})), nobody)
    until(lambda: said(caplog, "waiting for cuda:1"))
    assert not said(caplog, "waiting for cuda:0")
    other.close()
    assert device(waiting.result(60)) == "cuda:1"


def test_a_device_prepares_nothing_that_it_cannot_render(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler="tests.farm.duties:foreseeing")
    later = (barred("nothing", "2", frozenset({"cuda:0"})), order("nothing", "3"))
    for shot, weak in (("1", frozenset({"cuda:1"})), ("4", frozenset({"cuda:0"}))):
        farm.render(replace(order("nothing", shot), later=later, barred=weak), nobody)
    assert (tmp_path / "foreseen").read_text().splitlines() == ["cuda:0: 3", "cuda:1: 2 3"]
