"""Every fused kernel is compiled for every kind of GPU that users have, to machine code, without one of them here."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.backends.wan.triton_here import needs_triton
from wan_render.backends.wan.kernels import self_check
from wan_render.backends.wan.profiles.render_profile import Precision

pytestmark = [pytest.mark.wan, needs_triton]

CPU = torch.device("cpu")

BEFORE_FLOAT8 = (Precision.LOADED, Precision.STORED)
"""Ampere's precisions: Triton refuses the type float8 e4m3 there."""

GPUS = {capability: BEFORE_FLOAT8 if capability < 89 else tuple(Precision) for capability in (80, 86, 89, 90, 100, 120)}
"""The precisions that each compute capability has: A100, RTX 30, RTX 40 and L40S, Hopper, B200, RTX 50."""

LIKE_ANOTHER = {80, 89, 100}
"""They have the instructions of 8.6, 12.0 and 9.0 that our kernels use, and no fewer registers."""

SHARED_KILOBYTES = {80: 163, 86: 99, 89: 99, 90: 227, 100: 227, 120: 99}
"""The most shared memory that a program may have. Source: "Compute Capabilities" in NVIDIA's CUDA programming guide."""

STACK_BYTES = 8
"""Of a thread: the compiler puts this much aside for `_add_kernel` on 8.6. More would be registers that don't fit."""

ATTENTION_STACK_BYTES = 64
"""Of a thread of `block_attention_kernel` on 12.0: its sums, queries and keys take nearly all registers that there are.
Elsewhere it needs none."""

WIDTH, HEADS = 5120, 40
"""Of the 14B, the widest model: its kernels need the most registers."""


@dataclass(frozen=True)
class GpuElsewhere:
    """What Triton's compiler asks of a driver, for a GPU that is not here."""

    capability: int

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        """Triton keeps compiled kernels by device. No machine has a device of this number."""
        return self.capability

    def get_current_stream(self, device: int) -> int:
        assert device == self.capability
        return 0


@contextmanager
def compiling_for(capability: int) -> Iterator[list[Any]]:
    """Inside, kernels are compiled for this GPU instead of launched. Yields those that were."""
    from triton.runtime.driver import driver
    from triton.runtime.jit import JITFunction

    compiled: list[Any] = []
    compiling = JITFunction.run

    def compile_only(kernel: Any, *arguments: Any, grid: Any, warmup: bool, **named: Any) -> None:
        assert not warmup
        compiled.append(compiling(kernel, *arguments, grid=grid, warmup=True, **named))

    before = driver._active
    driver.set_active(GpuElsewhere(capability))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JITFunction, "run", compile_only)
        try:
            yield compiled
        finally:
            driver._active = before


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


def use_every_kernel(capability: int) -> None:
    """As the check on the user's device does, in all forms."""
    from wan_render.backends.wan.kernels.triton_blocks import attend_chosen
    from wan_render.backends.wan.kernels.triton_decoder import TritonVaeOperations
    from wan_render.backends.wan.kernels.triton_operations import TritonOperations

    for linears in GPUS[capability]:
        self_check.wrong_operations(TritonOperations(), WIDTH, HEADS, linears, CPU)
    self_check.wrong_vae_operations(TritonVaeOperations(), CPU)
    self_check.wrong_block_attention(attend_chosen, WIDTH // HEADS, CPU)


def kernels_here() -> set[str]:
    """The names of all kernels, but for functions that only kernels call."""
    from triton.runtime.jit import JITFunction

    from wan_render.backends.wan.kernels import triton_blocks, triton_decoder, triton_kernels

    named = {**vars(triton_kernels), **vars(triton_decoder), **vars(triton_blocks)}
    return {name for name, each in named.items() if isinstance(each, JITFunction) and name.endswith("_kernel")}


@pytest.fixture
def nothing_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check on a device counts a kernel that does not compile as wrong. Here its error is the test's, and there are
    no results: torch computes none to compare them with. Products are left out, which are torch's own."""
    from wan_render.backends.wan.kernels.triton_decoder import TritonVaeOperations
    from wan_render.backends.wan.kernels.triton_operations import TritonOperations

    def held(name: str, check: Callable[[], bool]) -> bool:
        return "product" in name or check()

    monkeypatch.setattr(self_check, "_holds", held)
    monkeypatch.setattr(self_check, "_alike", lambda *_: True)
    monkeypatch.setattr(self_check, "TorchOperations", TritonOperations)
    monkeypatch.setattr(self_check, "TorchVaeOperations", TritonVaeOperations)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_computed")
@pytest.mark.parametrize(
    "capability", [pytest.param(each, marks=pytest.mark.thorough if each in LIKE_ANOTHER else ()) for each in GPUS]
)
def test_every_kernel_compiles_and_fits(capability: int) -> None:
    with compiling_for(capability) as compiled:
        use_every_kernel(capability)
    only_float8 = {"head_float8_kernel", "extremes_kernel", "rows_kernel"}
    wanted = kernels_here() - (only_float8 if Precision.FLOAT8 not in GPUS[capability] else set())
    assert {kernel.name for kernel in compiled} == wanted
    for kernel in {kernel.hash: kernel for kernel in compiled}.values():
        assert kernel.metadata.target.arch == capability
        assert kernel.metadata.shared <= 1024 * SHARED_KILOBYTES[capability], kernel.name
        is_attention = kernel.name == "block_attention_kernel" and capability == 120
        most = ATTENTION_STACK_BYTES if is_attention else STACK_BYTES
        assert local_bytes(kernel) <= most, f"{kernel.name} spills registers"


def local_bytes(kernel: Any) -> int:
    """Bytes per thread that don't fit into registers, from the machine code."""
    from triton import knobs

    file = Path(knobs.cache.dir) / "one.cubin"
    file.write_bytes(kernel.asm["cubin"])
    told = subprocess.run(
        [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", str(file)], capture_output=True, text=True, check=True
    )
    found = re.search(r"STACK:(\d+).*LOCAL:(\d+)", told.stdout)
    assert found, told.stdout
    return int(found[1]) + int(found[2])


def test_a_kernel_that_an_architecture_cannot_have_is_an_error() -> None:
    """The test above can fail: e4m3 as a type is refused on Ampere."""
    from wan_render.backends.wan.kernels.triton_operations import TritonOperations

    with compiling_for(86), pytest.raises(Exception, match="fp8e4nv not supported"):
        TritonOperations().gelu_rows(torch.zeros(2, 64))
