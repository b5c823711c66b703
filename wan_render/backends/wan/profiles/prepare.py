"""Prepares a transformer for a profile on a device."""

from __future__ import annotations

from typing import Any

import torch

from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.kernels.arithmetic import Arithmetic, Float8, Loaded
from wan_render.backends.wan.kernels.attention import SDPA, Chosen, Kernel
from wan_render.backends.wan.kernels.decoder import DecoderOperations
from wan_render.backends.wan.kernels.operations import Operations
from wan_render.backends.wan.profiles.render_profile import Machine, Precision
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer, PatchBlock, no_patch


def machine(device: torch.device) -> Machine:
    """The abilities of a device and of the software that is installed for it."""
    if device.type != "cuda":
        return Machine(device.type)
    return Machine("cuda", torch.cuda.get_device_capability(device), attention.runs_flash3(device))


def accelerated(
    transformer: Any,
    linears: Precision,
    device: torch.device,
    kernel: Kernel = SDPA,
    patch_block: PatchBlock = no_patch,
) -> AcceleratedTransformer:
    """Take over diffusers' transformer onto a CUDA device. `kernel` computes exact attention.

    As loaded, its weights are used as they are. In float8, weights are quantised one by one, so that the device never
    holds more than the result and one layer; `transformer` cannot be used afterwards.
    """
    operations, attend = fused_operations(), Chosen(kernel)
    arithmetic: Arithmetic = Loaded(operations, attend)
    if linears is Precision.FLOAT8:
        arithmetic = Float8(operations, attention.flash3_float8)
    with torch.no_grad():
        return AcceleratedTransformer(transformer, arithmetic, operations, attend, device, patch_block).eval()


def fused_operations() -> Operations:
    """The operations as Triton kernels. Triton comes with every CUDA build of torch for Linux."""
    from wan_render.backends.wan.kernels.triton_operations import TritonOperations

    return TritonOperations()


def fused_decoder_operations() -> DecoderOperations:
    """The operations of a VAE's decoder between its convolutions, as Triton kernels."""
    from wan_render.backends.wan.kernels.triton_decoder import TritonDecoderOperations

    return TritonDecoderOperations()
