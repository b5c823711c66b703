"""Host memory that a GPU can copy from while it computes."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from wan_render.printable import logger

_log = logger(__name__)


def pinned(size: int) -> Tensor:
    """Page-locked host memory, uint8. torch's own allocator rounds up to a power of two, which for a block of 610 MB
    takes 1,074; this takes whole pages. It is freed with the last tensor that uses it."""
    pages = _Pages(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory = torch.frombuffer(pages, dtype=torch.uint8)[:size]
    if pages.lock(memory.data_ptr()):
        return memory
    _log.info("%.1f GB of host memory could not be page-locked as they are: torch's allocator is used", size / 1e9)
    return torch.empty(size, dtype=torch.uint8, pin_memory=True)


class _Pages(mmap.mmap):
    """Anonymous memory that is page-locked for CUDA as long as it lives."""

    _locked = 0

    def lock(self, address: int) -> bool:
        """Page-lock it; whether that was possible. Once, on a machine with a GPU."""
        runtime: Any = torch.cuda.cudart()  # type: ignore[no-untyped-call]
        if int(runtime.cudaHostRegister(address, len(self), 0)) != 0:
            return False
        self._locked = address
        return True

    def __del__(self) -> None:
        """Unlock it before it is unmapped. At the end of a process CUDA may be gone."""
        if self._locked:
            with suppress(Exception):
                torch.cuda.cudart().cudaHostUnregister(self._locked)  # type: ignore[no-untyped-call]
