"""The backend's own seam: whatever torch, diffusers or transformers raise leaves it as an error of wan-render."""

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
    """A foreign exception, by type and by a phrase of its message, and what it means here."""

    raised: type[BaseException]
    phrase: str
    means: type[WanRenderError]
    found: str
    remedy: str


_SMALLER = "free the device, or render fewer frames or a smaller raster"
_DRIVER = "look at the driver's log (dmesg, nvidia-smi) if it happens again"
_OTHERS = "the log of their processes says why; the take is tried again"

RULES = (
    Rule(torch.OutOfMemoryError, "", OutOfMemoryError, "out of memory", _SMALLER),
    Rule(MemoryError, "", OutOfMemoryError, "out of memory", _SMALLER),
    Rule(RuntimeError, "can't allocate memory", OutOfMemoryError, "out of memory", _SMALLER),
    Rule(torch.AcceleratorError, "", DeviceError, "the device failed", _DRIVER),
    Rule(RuntimeError, "CUDA", DeviceError, "the device failed", _DRIVER),
    Rule(RuntimeError, "cuDNN", DeviceError, "the device failed", _DRIVER),
    Rule(RuntimeError, "CUBLAS", DeviceError, "the device failed", _DRIVER),
    Rule(RuntimeError, "NCCL", LostPeerError, "lost the other devices of its group", _OTHERS),
    Rule(AssertionError, "CUDA", MachineError, "this torch has no CUDA", "install a CUDA build of torch"),
    Rule(ImportError, "", MachineError, "a package is missing or broken", install_command("wan")),
)
"""The first rule that fits counts."""


@contextmanager
def seam(where: str, otherwise: type[WanRenderError] = RenderError) -> Iterator[None]:
    """Turn foreign exceptions into errors of wan-render: by RULES, or else into `otherwise`.

    `where` names what was being done. Interrupts and our own errors pass.
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
