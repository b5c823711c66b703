"""Two device processes of a farm render one take of a Wan model together: the clip is the one that one device makes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PIL import Image

from tests.farm.orders import device_processes
from tests.tiny_wan import KINDS, card_of, save_tiny
from wan_render.backends.wan import BACKEND
from wan_render.devices import gpus
from wan_render.facts import FactCache
from wan_render.farm.attempt_events import Event
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Phase, Progress
from wan_render.store import Clip, Store
from wan_render.take import Plate, Sampling, Take

pytestmark = [pytest.mark.wan, pytest.mark.slow, pytest.mark.xdist_group("wan groups")]  # one farm for all

HALVES = (Device("cpu:0", "half a CPU", 1 << 30), Device("cpu:1", "half a CPU", 1 << 30))


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def two(request: pytest.FixtureRequest) -> tuple[Device, Device]:
    """Two devices of a kind: halves of a CPU by Gloo, GPUs by NCCL."""
    if request.param == "cpu":
        return HALVES
    here = gpus()
    if len(here) < 2:
        pytest.skip("needs two GPUs")
    return here[0], here[1]


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> RenderOrder:
    """A guided FLF2V take of a tiny model, asked of two devices."""
    kind, tmp_path = KINDS["flf2v-2.1"], tmp_path_factory.mktemp("model")
    card = card_of(save_tiny(kind, tmp_path / "model"))
    cache = FactCache(tmp_path / "cache")
    pictures = {}
    for name in ("navy", "gold"):
        file = tmp_path / f"{name}.png"
        Image.new("RGB", (kind.size.width, kind.size.height), name).save(file)
        pictures[cache.digest(file)] = file
    first, last = (Plate(digest, kind.size) for digest in pictures)
    take = Take(
        backend=BACKEND.id,
        model=card.identity,
        first=first,
        last=last,
        prompt="the sun rises",
        negative="static",
        frames=9,
        size=kind.size,
        rate=kind.rate,
        seed=7,
        sampling=Sampling(steps=4, guidance=(5.0,), shift=5.0),
    )
    return RenderOrder(take, BACKEND, card, pictures, "1/010", 1, gpus=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("farm") / "outputs")


@pytest.fixture(scope="module")
def farm(two: tuple[Device, Device], store: Store) -> Iterator[LocalFarm]:
    """Its processes have one thread each: sums in the same order on one device and on two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        with LocalFarm(two, store.root, FarmSettings(locks=store.root.parent / "locks")) as farm:
            yield farm
    assert not list((store.root.parent / "locks").glob("group-*"))


def rendered(order: RenderOrder, farm: LocalFarm) -> Clip:
    outcome = render_all((order,), farm)[order]
    assert isinstance(outcome, Clip), outcome
    return outcome


def device_of(clip: Clip) -> str:
    return str(json.loads((clip.video.parent / "take.json").read_text())["provenance"]["device"])


def test_two_devices_make_the_clip_of_one(
    order: RenderOrder, two: tuple[Device, Device], farm: LocalFarm, store: Store
) -> None:
    alone = rendered(replace(order, gpus=1), farm)
    video = alone.video.read_bytes()
    assert " + " not in device_of(alone)
    store.takes.delete(alone.key, alone.folder)
    together = rendered(order, farm)
    assert together.video.read_bytes() == video
    assert device_of(together) == " + ".join(device.name for device in two)


@pytest.mark.parametrize("at", [0, pytest.param(1, marks=pytest.mark.thorough)])
def test_a_device_that_dies_amid_the_steps_costs_the_attempt_alone(
    order: RenderOrder, farm: LocalFarm, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    sampling = replace(order.take.sampling, steps=60)
    order = replace(order, take=replace(order.take, sampling=sampling, seed=at))
    killed: list[int] = []

    def kill(_: RenderOrder, event: Event) -> None:
        if not isinstance(event, Progress) or event.phase is not Phase.STEP or event.done < 2 or killed:
            return  # a later step may be told in the place of the second
        killed.append(device_processes()[at])
        os.kill(killed[0], signal.SIGKILL)

    outcome = render_all((order,), farm, kill)[order]
    assert killed
    assert isinstance(outcome, Clip), outcome
    assert "failed on a group of devices" in caplog.text
    assert " + " not in device_of(outcome)
