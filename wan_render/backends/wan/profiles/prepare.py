"""Prepares a transformer for a profile on a device."""

from __future__ import annotations

from typing import Any

import torch

from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.kernels.arithmetic import Arithmetic, Loaded, StoredFloat8
from wan_render.backends.wan.kernels.attention import SDPA, Chosen, Kernel
from wan_render.backends.wan.kernels.decoder import VaeOperations
from wan_render.backends.wan.kernels.float8_arithmetic import Float8, Float8Products
from wan_render.backends.wan.kernels.launches import USUAL, Launches
from wan_render.backends.wan.kernels.operations import Operations
from wan_render.backends.wan.kernels.sparse_linear import AttendBlocks
from wan_render.backends.wan.profiles.render_profile import Machine, Precision
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer, PatchBlock, no_patch
from wan_render.backends.wan.profiles.weight_storage import ALL_ON_DEVICE, WeightStorage


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
    attending: Precision | None = None,
    storage: WeightStorage = ALL_ON_DEVICE,
    launches: Launches = USUAL,
) -> AcceleratedTransformer:
    """Take over diffusers' transformer onto a CUDA device. `kernel` computes exact attention.

    As loaded, its weights are used as they are. In float8, weights are quantised block by block, so that the device
    never holds more than the result and one block; `transformer` cannot be used afterwards. attending: the precision
    of the self-attention; that of the linear layers by default. storage: where weights are between uses. launches: of
    the fused kernels.
    """
    operations, attend = fused_operations(launches), Chosen(kernel)
    arithmetic = arithmetic_of(linears, attending or linears, operations, attend)
    with torch.no_grad():
        return AcceleratedTransformer(transformer, arithmetic, operations, attend, device, patch_block, storage).eval()


def arithmetic_of(linears: Precision, attending: Precision, operations: Operations, attend: Chosen) -> Arithmetic:
    """The arithmetic of these precisions: of linear layers, and of the self-attention."""
    match linears:
        case Precision.LOADED:
            return Loaded(operations, attend)
        case Precision.STORED:
            return StoredFloat8(operations, attend)
    if attending is Precision.FLOAT8:
        return Float8(operations, attention.flash3_float8, attend)
    return Float8Products(operations, attend)


def fused_operations(launches: Launches = USUAL) -> Operations:
    """The operations as Triton kernels. Triton comes with every CUDA build of torch for Linux."""
    from wan_render.backends.wan.kernels.triton_operations import TritonOperations

    return TritonOperations(launches)


def fused_vae_operations() -> VaeOperations:
    """The operations of a VAE's decoder between its convolutions, as Triton kernels."""
    from wan_render.backends.wan.kernels.triton_decoder import TritonVaeOperations

    return TritonVaeOperations()


def chosen_attention() -> AttendBlocks:
    """Attention to chosen blocks of keys, as a Triton kernel."""
    from wan_render.backends.wan.kernels.triton_blocks import attend_chosen

    return attend_chosen
