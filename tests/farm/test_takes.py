"""Device processes at their real work: animatic takes into a real store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.farm.orders import Drawing, grouped, nobody, order
from wan_render.devices import cpu
from wan_render.errors import DeviceError, PictureError
from wan_render.facts import FactCache
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.production.render_order import RenderOrder
from wan_render.production.render_take import render_take
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.render_values import Phase
from wan_render.store import Clip, Store
from wan_render.take import Plate, Size


@pytest.fixture
def orders(tmp_path: Path) -> tuple[RenderOrder, ...]:
    """A shot without a picture and one with two."""
    files = tmp_path / "navy.png", tmp_path / "gold.png"
    for file in files:
        Image.new("RGB", (96, 64), file.stem).save(file)
    return order("a calm sea", "1/010"), with_plates(order("the sun rises", "1/020"), files)


def with_plates(plain: RenderOrder, files: tuple[Path, Path]) -> RenderOrder:
    cache = FactCache(files[0].parent / "cache")
    first, last = (Plate(cache.digest(file), Size(64, 48)) for file in files)
    take = replace(plain.take, first=first, last=last)
    return replace(plain, take=take, pictures={first.picture: files[0], last.picture: files[1]})


def farm(root: Path, locks: Path) -> LocalFarm:
    return LocalFarm([cpu()], root, FarmSettings(locks=locks))


def test_a_farm_makes_the_clips_that_one_process_makes(orders: tuple[RenderOrder, ...], tmp_path: Path) -> None:
    sequential, warm = Store(tmp_path / "sequential"), WarmRenderer()
    for each in orders:
        render_take(each, warm, cpu(), sequential, nobody)
    with farm(tmp_path / "farmed", tmp_path / "locks") as devices:
        outcomes = render_all(orders, devices)
    farmed = Store(tmp_path / "farmed")
    for each in orders:
        clip = farmed.verify(each.take.key)
        assert clip == outcomes[each]
        reference = sequential.verify(each.take.key)
        assert clip is not None
        assert reference is not None
        assert clip.video.read_bytes() == reference.video.read_bytes()


def test_a_process_killed_while_it_writes_costs_the_attempt_and_leaves_nothing(
    orders: tuple[RenderOrder, ...], tmp_path: Path
) -> None:
    store = Store(tmp_path / "outputs")
    settings = FarmSettings(locks=tmp_path / "locks", handler="tests.farm.duties:dies_writing")
    with LocalFarm([cpu()], store.root, settings) as devices:
        with pytest.raises(DeviceError, match=r"was killed \(signal 9\)"):
            devices.render(orders[1], nobody)
        assert store.verify(orders[1].take.key) is None
        clip = devices.render(orders[1], nobody)
    assert store.verify(orders[1].take.key) == clip
    assert not list((store.root / "takes").glob("*.part*"))


def test_two_runs_that_want_the_same_takes_render_each_once(orders: tuple[RenderOrder, ...], tmp_path: Path) -> None:
    heard: list[Phase] = []
    root = tmp_path / "outputs"

    def run(locks: str) -> None:
        with farm(root, tmp_path / locks) as devices:
            outcomes = render_all(
                orders, devices, lambda _, event: heard.append(getattr(event, "phase", Phase.WAITING))
            )
        assert all(isinstance(outcome, Clip) for outcome in outcomes.values())

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, ("here", "elsewhere")))
    assert heard.count(Phase.WRITING) == len(orders)


def test_an_error_of_the_take_itself_crosses_as_it_is(orders: tuple[RenderOrder, ...], tmp_path: Path) -> None:
    picture = next(iter(orders[1].pictures.values()))
    Image.new("RGB", (96, 64), "red").save(picture)
    with farm(tmp_path / "outputs", tmp_path / "locks") as devices, pytest.raises(PictureError, match=picture.name):
        devices.render(orders[1], nobody)


def test_a_group_writes_one_take_and_its_record_names_both(tmp_path: Path) -> None:
    """Real work: the first device renders and writes, the other only helps."""
    with group_of_two(tmp_path) as devices:
        clip = devices.render(grouped("a calm sea", gpus=2, backend=Drawing()), nobody)
    store = Store(tmp_path / "outputs")
    assert store.verify(clip.key) == clip
    assert store.record(clip.key).provenance.device == "cpu:0 + cpu:1"


def test_a_take_that_no_group_can_render_is_rendered_by_one_device(tmp_path: Path) -> None:
    """The animatic refuses groups: that costs an attempt, not the take."""
    asked = grouped("a calm sea", gpus=2)
    with group_of_two(tmp_path) as devices:
        outcomes = render_all([asked], devices)
    assert isinstance(outcomes[asked], Clip)
    assert Store(tmp_path / "outputs").record(asked.take.key).provenance.device in ("cpu:0", "cpu:1")


def test_a_take_that_is_there_already_lets_the_helpers_go(tmp_path: Path) -> None:
    asked = grouped("a calm sea", gpus=2, backend=Drawing())
    with group_of_two(tmp_path) as devices:
        first = devices.render(replace(asked, gpus=1), nobody)
        assert devices.render(asked, nobody) == first


def group_of_two(folder: Path) -> LocalFarm:
    devices = [replace(cpu(), name=name) for name in ("cpu:0", "cpu:1")]
    return LocalFarm(devices, folder / "outputs", FarmSettings(locks=folder / "locks", groups="asked"))
