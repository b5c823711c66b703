"""Which devices are found, with an nvidia-smi of our own on the PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Smi
from wan_render.devices import capabilities, cpu, gpus, hidden_gpus, local_devices, visible_gpus
from wan_render.errors import MachineError, UsageError
from wan_render.farm.chosen_farm import farm_devices
from wan_render.render_values import Device
from wan_render.settings import MachineSettings

TWO = """GPU-aaaa-1, 143771, NVIDIA H200
GPU-aabb-2, 24564, NVIDIA GeForce RTX 4090, special edition
"""


def names(devices: str, *kinds: str) -> list[str]:
    return [device.name for device in local_devices(MachineSettings(devices=devices), kinds)]


def test_gpus_are_found_in_their_order(smi: Smi) -> None:
    smi(TWO)
    first, second = gpus()
    assert (first.name, first.label, first.memory_bytes, first.pin) == (
        "cuda:0",
        "NVIDIA H200",
        143771 << 20,
        "GPU-aaaa-1",
    )
    assert (second.name, second.label) == ("cuda:1", "NVIDIA GeForce RTX 4090, special edition")


@pytest.mark.usefixtures("smi")
def test_the_cpu_is_a_device_that_sees_no_gpu() -> None:
    meminfo = Path("/proc/meminfo").read_text().split()
    assert cpu().memory_bytes == int(meminfo[1]) << 10
    assert cpu().pin == ""
    assert cpu().label in Path("/proc/cpuinfo").read_text()


@pytest.mark.parametrize(
    ("devices", "kinds", "found"),
    [
        ("auto", ("cuda", "cpu"), ["cuda:0", "cuda:1"]),
        ("auto", ("cpu",), ["cpu"]),
        ("auto", ("cpu", "cuda"), ["cpu"]),
        ("cuda:1", ("cuda", "cpu"), ["cuda:1"]),
        ("cuda:1, cpu", ("cuda", "cpu"), ["cuda:1", "cpu"]),
        ("cuda:0,cpu", ("cpu",), ["cpu"]),
    ],
)
def test_the_setting_chooses_among_what_the_backend_can_use(
    smi: Smi, devices: str, kinds: tuple[str, ...], found: list[str]
) -> None:
    smi(TWO)
    assert names(devices, *kinds) == found


@pytest.mark.usefixtures("smi")
def test_without_a_gpu_the_next_kind_is_taken() -> None:
    assert names("auto", "cuda", "cpu") == ["cpu"]
    with pytest.raises(UsageError, match="devices: no NVIDIA GPU is here"):
        names("auto", "cuda")


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ("cuda:7", "WAN_RENDER_DEVICES: unknown device 'cuda:7'; allowed: auto, or some of cuda:0, cuda:1, cpu"),
        ("gpu", "unknown device 'gpu'"),
        ("cuda:0,cuda:0", "names no device, or one device twice"),
        (" , ", "names no device, or one device twice"),
        ("cpu", "names cpu, but this backend renders on cuda; allowed: auto, or some of cuda:0, cuda:1"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(smi: Smi, devices: str, words: str) -> None:
    smi(TWO)
    with pytest.raises(UsageError) as refusal:
        names(devices, "cuda")
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("", []),
        ("-1", []),
        ("1", ["cuda:1"]),
        ("1,0", ["cuda:1", "cuda:0"]),
        ("GPU-aabb", ["cuda:1"]),
        ("GPU-aa", []),
        ("0,7,1", ["cuda:0"]),
    ],
)
def test_cuda_visible_devices_is_heeded(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, visible: str, found: list[str]
) -> None:
    smi(TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.name for gpu in gpus()] == found


@pytest.mark.parametrize(
    ("visible", "found", "why"),
    [
        ("MIG-3f3f", [], "MIG-3f3f names a MIG slice"),
        ("MIG-GPU-aaaa-1/1/0", [], "names a MIG slice"),
        ("9", [], "'9' is not one of them"),
        ("all", [], "CUDA has no word for all GPUs"),
        ("gpu-aaaa-1", [], "'gpu-aaaa-1' is not one of them"),
        (" GPU-aaaa-1", [], "is not one of them"),
        ("GPU-", [], "is not one of them"),
        (",0", [], "'' is not one of them"),
        ("0,0", [], "it names cuda:0 twice, and CUDA then starts with none"),
        ("GPU-aaaa,GPU-aaaa-1", [], "it names cuda:0 twice"),
        ("0,GPU-aabb-2", ["cuda:0"], "'GPU-aabb-2' is not one of them, and CUDA ignores what follows it"),
        ("GPU-aabb,0", ["cuda:1"], "'0' is not one of them"),
        ("0,9,1", ["cuda:0"], "'9' is not one of them, and CUDA ignores what follows it"),
        ("1\x1b[2J", ["cuda:1"], ""),
        ("1gpu", ["cuda:1"], ""),
        (" +1 , 0 ", ["cuda:1", "cuda:0"], None),
        ("GPU-AABB-2 ,GPU-aaaa", ["cuda:1", "cuda:0"], None),
        ("0", ["cuda:0"], ""),
        ("0,-1,1", ["cuda:0"], "'-1' is not one of them"),
        ("-1", [], ""),
        (" ", [], ""),
        ("NoDevFiles", [], ""),
        ("void", [], ""),
    ],
)
def test_what_cuda_visible_devices_hides_is_told_as_cuda_reads_it(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, visible: str, found: list[str], why: str | None
) -> None:
    """As cuInit and cuDeviceGetCount of driver 580 answer. why: the mistake, "" where it is meant, None where nothing
    is hidden."""
    smi(TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    left = visible_gpus()
    assert [gpu.name for gpu in gpus()] == [gpu.name for gpu in left.visible] == found
    assert (left.problem is None) == (why is None)
    if left.problem is not None:
        assert left.by_mistake == bool(why)
        assert (why or "of the 2 GPUs of this machine") in left.problem.found
        assert "0 (GPU-aaaa-1, NVIDIA H200), 1 (GPU-aabb-2, " in left.problem.allowed
        assert left.problem.found.isprintable()


@pytest.mark.parametrize("visible", ["MIG-3f3f", "9", "all", "0,0"])
def test_gpus_that_are_hidden_by_mistake_are_not_replaced_by_the_cpu(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, visible: str
) -> None:
    smi(TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(
        UsageError, match=f"CUDA_VISIBLE_DEVICES: '{visible}' leaves none of the 2 GPUs of this machine"
    ):
        names("auto", "cuda", "cpu")
    with pytest.raises(UsageError, match=r"WAN_RENDER_DEVICES: cuda:0 is hidden: CUDA_VISIBLE_DEVICES"):
        names("cuda:0", "cuda", "cpu")
    assert names("cpu", "cuda", "cpu") == names("auto", "cpu") == ["cpu"]


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
def test_gpus_that_are_hidden_on_purpose_are(smi: Smi, monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    smi(TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert names("auto", "cuda", "cpu") == ["cpu"]
    with pytest.raises(UsageError, match="leaves none of the 2 GPUs of this machine"):
        names("auto", "cuda")


def test_a_container_without_gpus_is_named(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi("No devices were found\n", 6)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "void")
    with pytest.raises(UsageError, match="NVIDIA_VISIBLE_DEVICES=void: this container was started without GPUs"):
        names("auto", "cuda")
    assert names("auto", "cuda", "cpu") == ["cpu"]


def test_only_a_mistake_that_leaves_a_gpu_is_a_warning(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(TWO)
    for visible, warned in (("0,9,1", True), ("1", False), ("9", False), ("1,0", False)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert (hidden_gpus(("cuda", "cpu")) is not None) == warned
        assert hidden_gpus(("cpu",)) is None


def test_memory_that_is_shared_with_the_cpu_has_no_size_of_its_own(smi: Smi) -> None:
    smi("GPU-cccc-3, [N/A], NVIDIA GB10\n")
    assert [(gpu.name, gpu.memory_bytes) for gpu in gpus()] == [("cuda:0", 0)]


def test_what_gpus_can_do_is_asked_of_those_that_are_meant(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    smi(TWO, capabilities="GPU-aaaa-1, 9.0\nGPU-aabb-2, 8.9\n")
    assert capabilities(gpus()) == ((8, 9), (9, 0))
    assert capabilities(()) == ()


@pytest.mark.parametrize(("said", "words"), [("GPU-aaaa-1, [N/A]\n", r"reports \[N/A\]"), ("", "reports nothing")])
def test_a_capability_that_is_not_told_is_not_guessed(smi: Smi, said: str, words: str) -> None:
    smi(TWO, capabilities=said)
    with pytest.raises(MachineError, match=f"{words} as the compute capability of cuda:0"):
        capabilities(gpus())


@pytest.mark.parametrize("said", ["9.0\n9.0\n", "garbage\n"])
def test_an_answer_without_its_fields_is_told(smi: Smi, said: str) -> None:
    smi(TWO, capabilities=said)
    with pytest.raises(MachineError, match=f"answers '{said.split()[0]}' when asked for uuid,compute_cap"):
        capabilities(gpus())
    smi(said)
    with pytest.raises(MachineError, match=r"when asked for uuid,memory\.total,name"):
        gpus()


@pytest.mark.parametrize("code", [0, 6])
def test_a_driver_without_a_gpu_is_no_error(smi: Smi, code: int) -> None:
    smi("No devices were found\n", code)
    assert gpus() == ()


def test_a_broken_driver_is_said_and_never_falls_back_to_the_cpu(smi: Smi) -> None:
    smi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9)
    with pytest.raises(MachineError, match=r"couldn't communicate.*WAN_RENDER_DEVICES=cpu"):
        names("auto", "cuda", "cpu")
    assert names("cpu", "cuda", "cpu") == ["cpu"]
    assert names("auto", "cpu") == ["cpu"]


def test_a_farm_is_imported_without_heavy_libraries() -> None:
    heavy = ("torch", "diffusers", "prefect", "pandas", "av", "cv2", "ffmpeg", "PIL")
    code = f"import sys, wan_render.farm; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_a_device_of_another_machine_has_its_kind_and_is_not_asked_here(smi: Smi) -> None:
    smi("", code=9)  # whoever asks fails
    elsewhere = Device("cuda:1@studio-b", "NVIDIA H100", 0, "GPU-b", capability=(9, 0))
    assert (elsewhere.kind, elsewhere.machine) == ("cuda", "studio-b")
    assert (Device("cpu@studio-b", "", 0).kind, Device("cuda:1", "", 0).machine) == ("cpu", "")
    assert capabilities([elsewhere]) == ((9, 0),)


def test_devices_of_this_machine_cannot_be_named_for_a_cluster() -> None:
    with pytest.raises(UsageError, match=r"WAN_RENDER_DEVICES: 'cuda:0' names devices of this machine.*allowed: auto"):
        farm_devices(MachineSettings(farm="ray", devices="cuda:0"), ("cuda",))
