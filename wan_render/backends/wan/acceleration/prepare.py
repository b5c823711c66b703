"""A transformer made ready for a profile on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from wan_render.backends.wan.acceleration import attention
from wan_render.backends.wan.acceleration.arithmetic import Arithmetic, Float8, Loaded
from wan_render.backends.wan.acceleration.attention import Kernel
from wan_render.backends.wan.acceleration.operations import Operations, TorchOperations
from wan_render.backends.wan.acceleration.profile import Machine, Precision, Profile, require
from wan_render.backends.wan.acceleration.transformer import AcceleratedTransformer


@dataclass(frozen=True)
class Prepared:
    """A transformer, and in words how it computes, for the record beside a take."""

    transformer: torch.nn.Module
    facts: Mapping[str, str]


def machine(device: torch.device) -> Machine:
    """What a device and what is installed for it can do."""
    if device.type != "cuda":
        return Machine(device.type)
    return Machine("cuda", torch.cuda.get_device_capability(device), attention.has_flash3(device))


def prepare(transformer: Any, profile: Profile, device: torch.device, kernel: Kernel) -> Prepared:
    """Take over diffusers' transformer, wherever it lies, onto the device; `kernel` computes exact attention.

    In `exact` its weights are used as they are. In other profiles they are quantised one by one as they arrive, so
    that the device never holds more than the result and one layer, and `transformer` is used up.
    Raises RenderError where the machine cannot do the profile.
    """
    require(profile, machine(device))
    if device.type != "cuda":
        facts = {"transformer": "diffusers", "attention": "torch sdpa"}
        return Prepared(transformer.to(device), facts)  # bit for bit what diffusers computes
    operations = fused_operations()
    with torch.no_grad():
        made = AcceleratedTransformer(
            transformer,
            _arithmetic(profile, operations, kernel),
            operations,
            kernel.attend,
            device,
            profile.first_block_threshold,
        )
    return Prepared(made.eval(), _facts(profile, kernel))


def fused_operations() -> Operations:
    """The operations as Triton kernels, which come with every CUDA build of torch for Linux."""
    from wan_render.backends.wan.acceleration.triton_operations import TritonOperations

    return TritonOperations()


def reference(transformer: Any, profile: Profile, attend_float8: Any = None) -> AcceleratedTransformer:
    """The same on any device in plain torch: what the fused kernels are held against. Uses `transformer` up."""
    operations = TorchOperations()
    arithmetic: Arithmetic = Loaded(operations, attention.SDPA.attend)
    if profile.linears is Precision.FLOAT8:
        arithmetic = Float8(operations, attend_float8)
    device = next(transformer.parameters()).device
    threshold = profile.first_block_threshold
    return AcceleratedTransformer(transformer, arithmetic, operations, attention.SDPA.attend, device, threshold).eval()


def _arithmetic(profile: Profile, operations: Operations, kernel: Kernel) -> Arithmetic:
    if profile.linears is Precision.LOADED:
        return Loaded(operations, kernel.attend)
    return Float8(operations, attention.flash3_float8)


def _facts(profile: Profile, kernel: Kernel) -> dict[str, str]:
    """In words that a person who compares two takes understands."""
    is_float8 = profile.attention is Precision.FLOAT8
    installed = attention.versions()
    return {
        "transformer": "wan-render's forward, fused kernels",
        "linear layers": profile.linears.value,
        "attention": f"flash-attention 3, {profile.attention.value}" if is_float8 else kernel.name,
        "cross-attention": kernel.name,
        "fa3-fwd": installed[attention.FLASH3],
    }
