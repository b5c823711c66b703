"""Attention kernels. All take and give (batch, tokens, heads, features of a head)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from wan_render.backends.wan.profiles import render_profile

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

FLASH3 = "fa3-fwd"
"""The name of the distribution with FlashAttention 3's forward kernels for Hopper."""


@dataclass(frozen=True)
class Kernel:
    """A kernel for exact attention. name: as in a take's record."""

    name: str
    attend: Attend


class Chosen:
    """Attention by a kernel that can be changed: the fastest one depends on the shape of a take."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """See Kernel."""
        return self.kernel.attend(query, key, value)


def _sdpa(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)


def _cudnn(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        return _sdpa(query, key, value)


def _flash3(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = _flash3_module().flash_attn_func(query, key, value)
    return found


def flash3_float8(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scales: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """Attention of float8 tensors, bfloat16; scales: of query, key and value, each (heads,) float32."""
    of_query, of_key, of_value = (scale.view(1, -1) for scale in scales)
    found: torch.Tensor = _flash3_module().flash_attn_func(
        query, key, value, q_descale=of_query, k_descale=of_key, v_descale=of_value
    )
    return found


SDPA = Kernel("torch sdpa", _sdpa)
CUDNN = Kernel("cudnn", _cudnn)
FLASH_3 = Kernel("flash-attention 3", _flash3)

BY_NAME = {kernel.name: kernel for kernel in (SDPA, CUDNN, FLASH_3)}


def candidates(device: torch.device) -> tuple[Kernel, ...]:
    """The exact kernels that are available on a device."""
    if device.type != "cuda":
        return (SDPA,)
    return (SDPA, CUDNN, FLASH_3) if runs_flash3(device) else (SDPA, CUDNN)


def runs_flash3(device: torch.device) -> bool:
    """Whether FlashAttention 3 is installed for this device."""
    return device.type == "cuda" and render_profile.has_flash3(torch.cuda.get_device_capability(device))


def versions() -> dict[str, str]:
    """The versions of the software that decide, with the device, how fast each kernel is."""
    try:
        flash3 = version(FLASH3)
    except PackageNotFoundError:
        flash3 = "none"
    cudnn = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    return {"torch": torch.__version__, "cudnn": cudnn, FLASH3: flash3}


def _flash3_module() -> Any:
    return import_module("fa3_fwd_interface")
