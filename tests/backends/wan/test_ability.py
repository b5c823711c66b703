"""Whether a machine can render a profile is known before anything is rendered, and without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backends.wan.conftest import Tiny
from tests.conftest import Smi
from wan_render.backend_contract import THE_ONLY_VARIANT
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.models import official
from wan_render.backends.wan.profiles.ability import KINDS, missing_for, unable, variant
from wan_render.backends.wan.profiles.render_profile import VARIANTS
from wan_render.devices import cpu, gpus
from wan_render.settings import install_command

H200, RTX = "GPU-aaaa-1, 143771, NVIDIA H200\n", "GPU-aabb-2, 24564, NVIDIA GeForce RTX 4090\n"
HOPPER, ADA = "GPU-aaaa-1, 9.0\n", "GPU-aabb-2, 8.9\n"
INSTALL = install_command("hopper")
APPROXIMATE = ("fast", "balanced")


@pytest.fixture(autouse=True)
def as_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("WAN_RENDER_KERNELS", "WAN_RENDER_DEVICES"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(params=["without", "with"])
def flash3(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Without FlashAttention 3, and with something of its name."""
    if request.param == "with":
        monkeypatch.delitem(sys.modules, "fa3_fwd", raising=False)
        (tmp_path / "packages" / "fa3_fwd").mkdir(parents=True)
        (tmp_path / "packages" / "fa3_fwd" / "__init__.py").write_text("raise AssertionError('only looked for')")
        monkeypatch.syspath_prepend(tmp_path / "packages")
    else:
        monkeypatch.setitem(sys.modules, "fa3_fwd", None)
    return str(request.param)


def said(profile: str = "fast") -> str:
    """The whole of what is missing."""
    return str(missing_for(profile, KINDS) or "")


@pytest.mark.usefixtures("flash3")
def test_exact_is_rendered_anywhere_without_asking_the_devices(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9)
    assert said("exact") == ""
    monkeypatch.setenv("WAN_RENDER_KERNELS", "stock")
    assert said("exact") == ""


@pytest.mark.parametrize("profile", APPROXIMATE)
@pytest.mark.usefixtures("smi")
def test_a_machine_without_a_gpu_renders_only_exact(profile: str) -> None:
    assert said(profile) == (
        f"profile '{profile}': cpu: the device is not an NVIDIA GPU; it needs one; "
        "render with profile: exact, or on another machine"
    )


@pytest.mark.parametrize("profile", APPROXIMATE)
def test_a_hopper_needs_flash_attention_3(smi: Smi, flash3: str, profile: str) -> None:
    smi(H200, capabilities=HOPPER)
    lacking = f"profile '{profile}': cuda:0: FlashAttention 3 is not installed; it needs fa3-fwd; {INSTALL}"
    assert said(profile) == ("" if flash3 == "with" else lacking)


@pytest.mark.parametrize("capability", ["8.6", "8.9", "10.0", "12.0"])
@pytest.mark.usefixtures("flash3")
def test_another_gpu_is_refused_by_what_it_can_do(smi: Smi, capability: str) -> None:
    smi(RTX, capabilities=f"GPU-aabb-2, {capability}\n")
    assert said() == (
        f"profile 'fast': cuda:0: the device has compute capability {capability}; float8 attention needs a "
        "Hopper GPU (9.0); render with profile: exact, or on another machine"
    )


@pytest.mark.parametrize("listed", [H200 + RTX, RTX + H200])
def test_one_able_gpu_among_different_ones_is_enough(smi: Smi, flash3: str, listed: str) -> None:
    smi(listed, capabilities=ADA + HOPPER)
    assert (said() == "") == (flash3 == "with")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("WAN_RENDER_DEVICES", "cpu", "the device is not an NVIDIA GPU"),
        ("WAN_RENDER_DEVICES", "cuda:1", "compute capability 8.9"),
        ("WAN_RENDER_DEVICES", "cuda:0, cpu", ""),
        ("CUDA_VISIBLE_DEVICES", "", "the device is not an NVIDIA GPU"),
        ("CUDA_VISIBLE_DEVICES", "1", "compute capability 8.9"),
        ("CUDA_VISIBLE_DEVICES", "0", ""),
        ("WAN_RENDER_KERNELS", "stock", "WAN_RENDER_KERNELS is 'stock'; allowed: exact; set WAN_RENDER_KERNELS=auto"),
        ("WAN_RENDER_DEVICES", "cuda:7", "WAN_RENDER_DEVICES: unknown device 'cuda:7'; allowed: auto, or some of"),
    ],
)
@pytest.mark.parametrize("flash3", ["with"], indirect=True)
@pytest.mark.usefixtures("flash3")
def test_only_the_devices_in_use_count(
    smi: Smi, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    smi(H200 + RTX, capabilities=HOPPER + ADA)
    monkeypatch.setenv(variable, value)
    assert words in said()
    assert bool(words) == bool(said())


@pytest.mark.parametrize("flash3", ["with"], indirect=True)
@pytest.mark.usefixtures("flash3")
def test_each_device_is_asked_by_itself(smi: Smi) -> None:
    smi(RTX + H200, capabilities=ADA + HOPPER)
    devices = (*gpus(), cpu())
    assert unable("exact", devices) == {}
    lacking = unable("fast", devices)
    assert {name: problem.found for name, problem in lacking.items()} == {
        "cuda:0": "the device has compute capability 8.9",
        "cpu": "the device is not an NVIDIA GPU",
    }
    assert BACKEND.unable("fast", devices) == lacking


@pytest.mark.parametrize("flash3", ["without"], indirect=True)
@pytest.mark.usefixtures("flash3")
def test_if_no_device_is_able_all_are_named_with_their_reasons(smi: Smi) -> None:
    third = "GPU-aacc-3, 24564, NVIDIA GeForce RTX 4090\n"
    smi(H200 + RTX + third, capabilities=HOPPER + ADA + "GPU-aacc-3, 8.9\n")
    assert said() == (
        "profile 'fast': cuda:0: FlashAttention 3 is not installed; cuda:1, cuda:2: the device has compute capability "
        "8.9; it needs fa3-fwd, float8 attention needs a Hopper GPU (9.0); "
        f"{INSTALL}, or render with "
        "profile: exact, or on another machine"
    )


CAPABILITIES = {"Ada": "8.9", "Ampere": "8.6", "Blackwell": "12.0", "Data centre Blackwell": "10.0", "Turing": "7.5"}

PRODUCTS, STORED = (
    "with products in float8 and exact attention",
    "with weights stored in 8 bits and multiplied in bfloat16",
)

CHOICES = {
    ("fast", "Ada"): "exact-attention",
    ("fast", "Ampere"): "8-bit-weights",
    ("fast", "Blackwell"): "exact-attention",
    ("fast", "Data centre Blackwell"): "exact-attention",
    ("balanced", "Ada"): "exact-attention",
    ("balanced", "Ampere"): "8-bit-weights",
    ("draft", "Ada"): "exact-attention",
    ("draft", "Ampere"): "exact",
    ("draft", "Turing"): "exact",
}
"""The variant that each kind of GPU computes."""


@pytest.mark.parametrize("profile", ["fast", "balanced", "draft"])
@pytest.mark.parametrize("flash3", ["with"], indirect=True)
@pytest.mark.usefixtures("flash3")
def test_everything_is_in_float8_where_all_devices_can(smi: Smi, profile: str) -> None:
    smi(H200, capabilities=HOPPER)
    found = variant(profile, gpus())
    assert (found.name, found.note) == ("", "")
    assert list(found.others) == [name for name in VARIANTS[profile] if name]
    assert missing_for(profile, KINDS) is None


@pytest.mark.parametrize(("profile", "name"), CHOICES)
@pytest.mark.usefixtures("flash3")
def test_every_kind_of_gpu_has_a_variant(smi: Smi, profile: str, name: str) -> None:
    smi(RTX, capabilities=f"GPU-aabb-2, {CAPABILITIES[name]}\n")
    found = variant(profile, gpus())
    assert found.name == CHOICES[profile, name]
    words = {"exact-attention": PRODUCTS, "8-bit-weights": STORED, "exact": "like exact"}[found.name]
    assert found.note.startswith(f"profile '{profile}' is computed {words}")
    assert found.note.endswith(f" (cuda:0: the device has compute capability {CAPABILITIES[name]})")
    assert unable(profile, gpus(), found.name) == {}
    assert missing_for(profile, KINDS, found.name) is None


@pytest.mark.parametrize("flash3", ["without"], indirect=True)
@pytest.mark.usefixtures("flash3")
def test_a_hopper_without_flash_attention_has_exact_attention(smi: Smi) -> None:
    smi(H200, capabilities=HOPPER)
    found = variant("fast", gpus())
    assert found.name == "exact-attention"
    assert "FlashAttention 3 is not installed" in found.note


@pytest.mark.usefixtures("flash3")
def test_a_gpu_that_can_compute_none_is_refused_as_before(smi: Smi) -> None:
    smi(RTX, capabilities="GPU-aabb-2, 7.5\n")
    assert variant("fast", gpus()).name == ""
    assert "compute capability 7.5" in said()


@pytest.mark.parametrize("flash3", ["with"], indirect=True)
@pytest.mark.usefixtures("flash3")
def test_a_film_has_one_variant_on_unlike_devices(smi: Smi) -> None:
    """The strongest that all share; a device that can compute none is left out."""
    smi(H200 + RTX, capabilities=HOPPER + ADA)
    assert variant("draft", gpus()).name == variant("fast", gpus()).name == "exact-attention"
    assert "cuda:1: the device has compute capability 8.9" in variant("draft", gpus()).note
    smi(H200 + RTX, capabilities=HOPPER + "GPU-aabb-2, 7.5\n")
    assert variant("fast", gpus()).name == ""
    assert list(unable("fast", gpus())) == ["cuda:1"]


@pytest.mark.usefixtures("smi")
def test_a_draft_on_a_cpu_and_without_devices() -> None:
    assert variant("draft", (cpu(),)).name == "exact"
    assert "cpu: the device is not an NVIDIA GPU" in variant("draft", (cpu(),)).note
    elsewhere = variant("draft", ())
    assert (elsewhere.name, list(elsewhere.others)) == ("", ["exact-attention", "exact"])
    assert "is planned in float8, for a Hopper GPU" in elsewhere.note


@pytest.mark.parametrize("flash3", ["with"], indirect=True)
@pytest.mark.usefixtures("flash3")
def test_a_draft_with_stock_kernels_is_computed_as_exact_is(smi: Smi, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(H200, capabilities=HOPPER)
    monkeypatch.setenv("WAN_RENDER_KERNELS", "stock")
    assert variant("draft", gpus()).name == "exact"
    assert "WAN_RENDER_KERNELS is 'stock'" in variant("draft", gpus()).note


def test_a_gpu_that_does_not_answer_gets_the_variant_that_every_one_can(smi: Smi) -> None:
    smi(H200, capabilities="GPU-aaaa-1, [N/A]\n")
    assert variant("draft", gpus()).name == "exact"


def test_exact_has_one_variant(smi: Smi) -> None:
    smi(RTX, capabilities=ADA)
    assert variant("exact", gpus()) == THE_ONLY_VARIANT


def test_devices_that_do_not_answer_cannot(smi: Smi) -> None:
    smi(H200, capabilities="GPU-aaaa-1, [N/A]\n")
    assert unable("fast", gpus())["cuda:0"].found.startswith("its abilities are unknown: nvidia-smi reports [N/A]")


def test_a_broken_driver_is_reported_with_a_remedy(smi: Smi) -> None:
    smi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9)
    found = said()
    assert found.startswith("profile 'fast': needs a GPU, but ")
    assert "couldn't communicate" in found
    assert found.endswith("; mend that, or render with profile: exact")


@pytest.mark.wan
@pytest.mark.usefixtures("smi")
def test_the_backend_says_it_whether_the_weights_are_here_or_are_still_to_be_downloaded(
    tiny: Callable[[str], Tiny], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path))
    here, elsewhere = tiny("t2v-2.1").card, replace(official.T2V_14B.card(), identity="nobody/nothing@main")
    assert BACKEND.missing(here) is None
    assert "not on this machine" in str(BACKEND.missing(elsewhere))
    for card in (here, elsewhere):
        assert "the device is not an NVIDIA GPU" in str(BACKEND.missing(card, (), "fast"))


def test_it_is_known_without_torch() -> None:
    code = """
import sys
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.profiles.ability import missing_for
missing_for("fast", BACKEND.device_kinds)
print([name for name in ("torch", "triton", "diffusers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
