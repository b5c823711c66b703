"""What every farm promises, on this machine and on two nodes of a Ray cluster; and what lost nodes cost there."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.farm.orders import HANDLER, device, nobody, order, pid
from tests.ray_nodes import RayNodes, ray_nodes
from wan_render.errors import DeviceError, MachineError, OverrunError, PictureError, Stopped, UsageError
from wan_render.farm.cluster.node_facts import NodeFacts, cluster_devices
from wan_render.farm.device_farm import DeviceFarm
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.render_values import Device, Phase, Progress
from wan_render.store import Clip

NAMES = ("studio-a", "studio-b")

pytestmark = pytest.mark.xdist_group("ray")

OpenFarm = Callable[[Path], DeviceFarm]


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    if find_spec("ray") is None:  # not imported: Ray reads its settings when it is
        pytest.skip("Ray is not installed")
    with ray_nodes() as nodes:
        for name in NAMES:
            nodes.start(name)
        yield nodes
        cluster_devices.cache_clear()


@pytest.fixture(scope="module", params=["local", "ray"])
def open_farm(request: pytest.FixtureRequest) -> Iterator[OpenFarm]:
    """Opens a farm of two devices whose processes do what duties.py says. All are stopped in the end."""
    nodes: RayNodes | None = request.getfixturevalue("nodes") if request.param == "ray" else None
    with ExitStack() as farms:

        def opened(root: Path) -> DeviceFarm:
            farm = ray_farm(root) if nodes is not None else local_farm(root)
            farms.callback(farm.stop)
            return farm

        yield opened


@pytest.fixture(scope="module")
def farm(open_farm: OpenFarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeviceFarm]:
    """One that several tests use."""
    farm = open_farm(tmp_path_factory.mktemp("store"))
    yield farm
    farm.close()


def settings(root: Path, handler: str = HANDLER, quarantine: int = 100) -> FarmSettings:
    return FarmSettings(locks=root / "locks", handler=handler, quarantine=quarantine)


def local_farm(root: Path) -> DeviceFarm:
    return LocalFarm([Device("cpu", "one", 0), Device("cuda:0", "other", 0, "GPU-0")], root, settings(root))


def ray_farm(root: Path, handler: str = HANDLER, quarantine: int = 100) -> DeviceFarm:
    from wan_render.farm.cluster.ray_farm import RayFarm

    cluster_devices.cache_clear()
    return RayFarm(cluster_devices(("cuda", "cpu")), root, settings(root, handler, quarantine))


# Ray only. These come first: the farm that the tests below share holds all devices of the cluster.


def test_a_backend_whose_devices_the_cluster_lacks_is_refused(nodes: RayNodes) -> None:
    assert nodes is not None
    cluster_devices.cache_clear()
    with pytest.raises(MachineError, match=r"has no device that this backend renders on \(cuda\)"):
        cluster_devices(("cuda",))


def test_a_lost_node_costs_its_attempt_and_one_that_joins_renders(
    nodes: RayNodes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    orders = [order(f"render go-{number}", f"9/{number:03}") for number in range(4)]
    with ray_farm(tmp_path, "tests.farm.duties:overlapping", quarantine=1) as farm, ThreadPoolExecutor(1) as threads:
        (tmp_path / "go-1").touch()
        rendering = threads.submit(render_all, orders, farm)
        until(lambda: placed(caplog, "9/000") and placed(caplog, "9/001"))
        lost = placed(caplog, "9/000")
        nodes.kill(lost.partition("@")[2])
        until(lambda: len(farm.devices) == 1)
        nodes.start("studio-c")
        until(lambda: "cpu@studio-c" in {each.name for each in farm.devices})
        for number in range(4):
            (tmp_path / f"go-{number}").touch()
        outcomes = rendering.result(120)
    clips = [outcomes[each] for each in orders]
    assert all(isinstance(clip, Clip) and device(clip) != lost for clip in clips)
    attempts = [line for line in caplog.messages if " on cpu@" in line and "log " in line]
    assert sum("9/000" in line for line in attempts) == 2
    assert f"{lost} was lost: its machine, its Ray or the network failed" in caplog.text
    assert "quarantined" not in caplog.text, "the device is not at fault"


def placed(caplog: pytest.LogCaptureFixture, shot: str) -> str:
    """The device that a shot's first attempt got; "" for none yet."""
    lines = [line for line in caplog.messages if line.startswith(f"{shot} take 1 on ")]
    return lines[0].split()[4].rstrip(",") if lines else ""


def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_cluster_without_a_token_is_refused(nodes: RayNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nodes is not None
    from wan_render.farm.cluster import node_facts
    from wan_render.farm.cluster.ray_cluster import ClusterNode

    with pytest.raises(UsageError, match=r"node studio-a runs without a token.*RAY_AUTH_MODE=token"):
        node_facts._usable(ClusterNode("1", "studio-a", 0, 1), NodeFacts("1.0.0", "", ()))
    cluster_devices.cache_clear()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UsageError, match="RAY_AUTH_MODE: 'disabled' lets anybody use the cluster; allowed: token"):
        cluster_devices(("cpu",))


@pytest.mark.thorough
def test_gpus_get_their_uuids_and_abilities_from_their_node(nodes: RayNodes, tmp_path: Path) -> None:
    """With an nvidia-smi of our own: a node whose Ray has two of three GPUs."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    nodes.start("gpus", {"PATH": path, "CUDA_VISIBLE_DEVICES": "2,0"}, gpus=2)
    try:
        cluster_devices.cache_clear()
        found = cluster_devices(("cuda", "cpu"))
        assert {each.name: (each.pin, each.capability) for each in found} == {
            "cuda:0@gpus": ("GPU-aa", (9, 0)),
            "cuda:2@gpus": ("GPU-cc", (8, 9)),
        }
        with ray_farm(tmp_path / "store") as farm:
            assert {(each.name, each.pin) for each in farm.devices} == {(each.name, each.pin) for each in found}
            with ThreadPoolExecutor(2) as threads:
                both = list(threads.map(lambda shot: farm.render(order("briefly", shot), nobody), ("1/010", "1/020")))
        assert {device(clip) for clip in both} == {each.name for each in found}
    finally:
        nodes.kill("gpus")


NVIDIA_SMI = """\
#!/bin/sh
case "$1" in
*compute_cap*) printf 'GPU-aa, 9.0\\nGPU-bb, 9.0\\nGPU-cc, 8.9\\n' ;;
*) printf 'GPU-aa, 81559, NVIDIA H100\\nGPU-bb, 81559, NVIDIA H100\\nGPU-cc, 24564, NVIDIA L4\\n' ;;
esac
"""


# Every farm


def test_a_take_is_rendered_by_one_of_its_devices_and_heard_of_here(farm: DeviceFarm) -> None:
    heard: list[tuple[Progress, int]] = []
    clip = farm.render(order("progress"), lambda progress: heard.append((progress, threading.get_ident())))
    assert device(clip) in {each.name for each in farm.devices}
    assert heard[-1] == (Progress(Phase.STEP, 3, 3), threading.get_ident())


def test_two_takes_are_rendered_at_once_on_two_devices_that_stay_warm(farm: DeviceFarm) -> None:
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda shot: farm.render(order("briefly", shot), nobody), ("2/010", "2/020")))
    assert {device(clip) for clip in both} == {each.name for each in farm.devices}
    assert pid(farm.render(order("nothing", "2/030"), nobody)) in {pid(clip) for clip in both}


@pytest.mark.parametrize(("action", "words"), [("kill", "was killed .signal 9."), ("alien", "unreadable message")])
def test_a_death_costs_that_attempt_only(farm: DeviceFarm, action: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words) as failure:
        farm.render(order(f"{action} once", "3/010"), nobody)
    assert failure.value.worth_retrying
    farm.render(order(f"{action} once", "3/010"), nobody)


def test_our_own_errors_arrive_as_they_are(farm: DeviceFarm) -> None:
    with pytest.raises(PictureError, match=r"a\.png: changed since it was planned"):
        farm.render(order("picture", "4/010"), nobody)


def test_a_retry_goes_to_another_device(farm: DeviceFarm) -> None:
    first = farm.devices[0].name
    with ThreadPoolExecutor(2) as threads:
        doomed = [threads.submit(farm.render, order(f"kill on {first}", shot), nobody) for shot in ("5/010", "5/020")]
    assert sum(each.exception() is not None for each in doomed) == 1
    shot = "5/010" if doomed[0].exception() is not None else "5/020"
    assert device(farm.render(order(f"kill on {first}", shot), nobody)) != first


def test_its_log_and_its_records_arrive(farm: DeviceFarm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    farm.render(order("say", "6/010"), nobody)
    assert ("wan_render.store", logging.WARNING, "take 7f3a91 was set aside") in caplog.record_tuples
    farm.render(order("chatter", "6/020"), nobody)
    log = next(line for line in caplog.messages if line.startswith("6/020")).rpartition("log ")[2]
    assert b"a program chatters" in Path(log).read_bytes()


def test_an_aborted_attempt_ends_and_the_next_one_is_rendered(farm: DeviceFarm) -> None:
    begun, hanging = threading.Event(), order("hang", "7/010")
    with ThreadPoolExecutor(1) as threads:
        attempt = threads.submit(farm.render, hanging, lambda _: begun.set())
        assert begun.wait(60)
        farm.abort([hanging])
        with pytest.raises(OverrunError):
            attempt.result(60)
    farm.render(order("nothing", "7/020"), nobody)


def test_a_stop_ends_every_attempt(open_farm: OpenFarm, tmp_path: Path, farm: DeviceFarm) -> None:
    farm.close()  # the devices are free for another farm
    with ThreadPoolExecutor(2) as threads:
        stopped, begun = open_farm(tmp_path), threading.Barrier(3)

        def meet(_progress: Progress) -> None:
            begun.wait(60)

        attempts = [threads.submit(stopped.render, order("hang", shot), meet) for shot in ("8/010", "8/020")]
        begun.wait(60)
        stopped.stop()
        for attempt in attempts:
            with pytest.raises(Stopped):
                attempt.result(60)
    with pytest.raises(Stopped):
        stopped.render(order("nothing", "8/030"), nobody)
