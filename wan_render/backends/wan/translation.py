"""Translates the exceptions of torch, diffusers and transformers into errors of wan-render."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from wan_render.errors import (
    DeviceError,
    LostPeerError,
    MachineError,
    OutOfMemoryError,
    Problem,
    RenderError,
    WanRenderError,
    WeightsError,
)
from wan_render.printable import logger
from wan_render.settings import install_command

_log = logger(__name__)


@dataclass(frozen=True)
class Rule:
    """Translates an exception, known by its type and a phrase of its message, into an error of wan-render."""

    raised: type[BaseException]
    phrase: str
    means: type[WanRenderError]
    found: str
    remedy: str


_SMALLER = "free the device, or render fewer frames or a smaller raster"
_DRIVER = "look at the driver's log (dmesg, nvidia-smi) if it happens again"
_VISIBLE = "see what `wan-render doctor` lists, and look at CUDA_VISIBLE_DEVICES and WAN_RENDER_DEVICES"
_FABRIC = "start nvidia-fabricmanager"
_OTHER_TORCH = "install a build of torch that supports this GPU, or render on another one"
_BUSY = "end what else uses it, or look at its compute mode (nvidia-smi -q -d COMPUTE)"
_FAULTY = "render on another one; nvidia-smi -q -d ECC shows the errors, and a restart may clear them"
_OTHERS = "the log of their processes says why; the take is retried"

_NO_DRIVER = "install NVIDIA's driver, or render without a GPU: WAN_RENDER_DEVICES=cpu"
_OLD_DRIVER = "update NVIDIA's driver, or install a build of torch for an older CUDA"
_SET_UP = "see whether nvidia-smi works; reload the driver or restart the machine"

RULES = (
    Rule(torch.OutOfMemoryError, "", OutOfMemoryError, "out of memory", _SMALLER),
    Rule(MemoryError, "", OutOfMemoryError, "out of memory", _SMALLER),
    Rule(RuntimeError, "can't allocate memory", OutOfMemoryError, "out of memory", _SMALLER),
    Rule(RuntimeError, "CUDA error: out of memory", OutOfMemoryError, "out of memory", _SMALLER),
    Rule(RuntimeError, "STATUS_ALLOC_FAILED", OutOfMemoryError, "out of memory", _SMALLER),
    # The GPU cannot be used at all: every attempt would fail the same way.
    Rule(Exception, "Found no NVIDIA driver", MachineError, "no NVIDIA driver is installed", _NO_DRIVER),
    Rule(Exception, "libcuda.so", MachineError, "no NVIDIA driver is installed", _NO_DRIVER),
    Rule(Exception, "driver on your system is too old", MachineError, "the NVIDIA driver is too old", _OLD_DRIVER),
    Rule(Exception, "driver version is insufficient", MachineError, "the NVIDIA driver is too old", _OLD_DRIVER),
    Rule(Exception, "unsupported toolchain", MachineError, "the NVIDIA driver is too old", _OLD_DRIVER),
    Rule(Exception, "driver version mismatch", MachineError, "NVIDIA's driver and library do not fit", _SET_UP),
    Rule(Exception, "forward compatibility", MachineError, "NVIDIA's driver and library do not fit", _SET_UP),
    Rule(Exception, "system not yet initialized", MachineError, "the GPUs are not set up", _FABRIC),
    Rule(Exception, "CUDA unknown error", MachineError, "the NVIDIA driver does not start", _SET_UP),
    Rule(Exception, "driver initialization failed", MachineError, "the NVIDIA driver does not start", _SET_UP),
    Rule(Exception, "No CUDA GPUs are available", MachineError, "no GPU is visible", _VISIBLE),
    Rule(Exception, "no CUDA-capable device", MachineError, "no GPU is visible", _VISIBLE),
    Rule(Exception, "invalid device ordinal", MachineError, "there is no such GPU", _VISIBLE),
    Rule(Exception, "no kernel image is available", MachineError, "this torch has no code for the GPU", _OTHER_TORCH),
    Rule(AssertionError, "CUDA", MachineError, "this torch has no CUDA", "install a CUDA build of torch"),
    # The failure may pass, or not occur on another device.
    Rule(Exception, "devices are busy", DeviceError, "the GPU is busy or in exclusive mode", _BUSY),
    Rule(Exception, "ECC error", DeviceError, "the GPU's memory has a fault (ECC)", _FAULTY),
    Rule(torch.AcceleratorError, "", DeviceError, "the device failed", _DRIVER),
    Rule(RuntimeError, "CUDA", DeviceError, "the device failed", _DRIVER),
    Rule(RuntimeError, "cuDNN", DeviceError, "the device failed", _DRIVER),
    Rule(RuntimeError, "CUBLAS", DeviceError, "the device failed", _DRIVER),
    Rule(RuntimeError, "NCCL", LostPeerError, "lost the other devices of its group", _OTHERS),
    Rule(ImportError, "", MachineError, "a package is missing or broken", install_command("wan")),
)
"""The first matching rule applies. The phrases are from torch 2.13 (c10/cuda, torch/cuda) and cudaGetErrorString.
Builds of torch raise RuntimeError, AcceleratorError or AssertionError for them."""


@contextmanager
def translated(where: str, otherwise: type[WanRenderError] = RenderError) -> Iterator[None]:
    """Translate exceptions inside by RULES; if no rule matches, into `otherwise`.

    `where` names what was being done. Interrupts and our own errors pass through.
    """
    try:
        yield
    except WanRenderError:
        raise
    except Exception as fault:
        _log.error("%s failed", where, exc_info=fault)
        raise _meaning(fault, where, otherwise) from fault


def _meaning(fault: Exception, where: str, otherwise: type[WanRenderError]) -> WanRenderError:
    said = " ".join(f"{type(fault).__name__}: {fault}".split())[:400]
    for rule in RULES:
        if isinstance(fault, rule.raised) and rule.phrase in str(fault):
            return rule.means(Problem(where, f"{rule.found} ({said})", remedy=rule.remedy))
    remedy = "download the model again" if otherwise is WeightsError else ""
    return otherwise(Problem(where, said, remedy=remedy))
