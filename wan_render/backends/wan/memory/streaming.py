"""Streams a component: its blocks stay in host memory, and each is copied to the device while the one before computes.

Weights, layers and their order are the same, so the results are the same as without streaming.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from wan_render.backends.wan.profiles.accelerator import ComponentPlacement, component_bytes

BLOCKS = {"transformer": "blocks", "transformer_2": "blocks", "text_encoder": "encoder.block"}
"""Where a component has its blocks, over which its forward loops."""

_ALIGNMENT = 256
"""Alignment of each tensor in a block's memory, in bytes. Enough for every kernel."""


def streamed(component: str) -> ComponentPlacement:
    """The placement of a component with streamed blocks."""
    path = BLOCKS[component]
    return ComponentPlacement(
        "streamed",
        lambda module, device: _placed(module, path, device),
        lambda module: _device_bytes(module.get_submodule(path), component_bytes(module)),
    )


class StreamedBlocks(torch.nn.ModuleList):
    """Blocks in host memory. A loop over them finds each on the device, in one of two alternating buffers.

    Loop over all blocks in order, in one thread, on one stream of the device.
    """

    def __init__(self, blocks: torch.nn.ModuleList, device: torch.device) -> None:
        packed = [_packed(block, pin=device.type == "cuda") for block in blocks]
        super().__init__(blocks)
        self._packed = packed
        size = max(pack.host.numel() for pack in packed)
        self._device_buffers = [_Buffer.on(device, size) for _ in range(2)]
        cuda: Any = torch.cuda  # types only some of its functions
        self._copies = cuda.Stream(device) if device.type == "cuda" else None

    def __iter__(self) -> Iterator[torch.nn.Module]:
        """Yield each block with its weights on the device, until the next is requested."""
        self._fetch(0)
        for index, block in enumerate(self._modules.values()):
            if block is None:
                continue
            if index + 1 < len(self._packed):
                self._fetch(index + 1)
            buffer = self._device_buffers[index % 2]
            buffer.wait_for_copy()
            self._packed[index].point_to(buffer.memory)
            yield block
            self._packed[index].point_to(self._packed[index].host)
            buffer.mark_used()

    def _fetch(self, index: int) -> None:
        self._device_buffers[index % 2].fill(self._packed[index].host, self._copies)


@dataclass(frozen=True)
class _Packed:
    """A block's tensors packed into one piece of host memory, each with its offset."""

    host: torch.Tensor
    places: tuple[tuple[torch.Tensor, int], ...]

    def point_to(self, memory: torch.Tensor) -> None:
        """Point the block's tensors to their offsets in `memory`."""
        for tensor, offset in self.places:
            part = memory[offset : offset + tensor.nbytes]
            tensor.data = part.view(tensor.dtype).view(tensor.shape)


@dataclass(frozen=True)
class _Buffer:
    """Device memory for one block. copied: event after a copy to it. used: event after the last use of its content."""

    memory: torch.Tensor
    copied: Any
    used: Any

    @classmethod
    def on(cls, device: torch.device, size: int) -> _Buffer:
        """A buffer of `size` bytes."""
        memory = torch.empty(size, dtype=torch.uint8, device=device)
        if device.type != "cuda":
            return cls(memory, None, None)
        cuda: Any = torch.cuda
        buffer = cls(memory, cuda.Event(), cuda.Event())
        buffer.mark_used()  # earlier work may still use this memory
        return buffer

    def fill(self, host: torch.Tensor, stream: torch.cuda.Stream | None) -> None:
        """Start to copy when the last use of the buffer has ended."""
        part = self.memory[: host.numel()]
        if stream is None:
            part.copy_(host)
            return
        with torch.cuda.stream(stream):
            stream.wait_event(self.used)
            part.copy_(host, non_blocking=True)
            self.copied.record(stream)

    def wait_for_copy(self) -> None:
        """Let later work on the device wait for the copy."""
        if self.copied is not None:
            torch.cuda.current_stream(self.memory.device).wait_event(self.copied)

    def mark_used(self) -> None:
        """Allow the buffer to be filled when the work so far has ended."""
        if self.used is not None:
            self.used.record(torch.cuda.current_stream(self.memory.device))


def _placed(module: Any, path: str, device: torch.device) -> torch.nn.Module:
    """The module with its blocks in host memory, to be streamed, and the rest on the device."""
    owner_path, _, name = path.rpartition(".")
    owner, blocks = module.get_submodule(owner_path), module.get_submodule(path)
    setattr(owner, name, torch.nn.ModuleList())
    module.to(device)
    setattr(owner, name, StreamedBlocks(blocks, device))
    placed: torch.nn.Module = module
    return placed


def _packed(block: torch.nn.Module, *, pin: bool) -> _Packed:
    """The block with its tensors packed, so that one copy moves them all. Pinned memory lets it overlap with the
    work."""
    places, size = [], 0
    for tensor in (*block.parameters(), *block.buffers()):
        places.append((tensor, size))
        size += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
    host = torch.empty(size, dtype=torch.uint8, pin_memory=pin)
    for tensor, offset in places:
        host[offset : offset + tensor.nbytes].view(tensor.dtype).view(tensor.shape).copy_(tensor.data)
    packed = _Packed(host, tuple(places))
    packed.point_to(host)
    return packed


def _device_bytes(blocks: torch.nn.Module, whole: int) -> int:
    """Bytes on the device: everything except the blocks, and two buffers."""
    sizes = [component_bytes(block) for block in blocks.children()]
    return whole - sum(sizes) + 2 * max(sizes)
