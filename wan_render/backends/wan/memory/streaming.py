"""Streams a component: blocks stay in host memory, and each is copied to the device while the one before computes.

Weights, layers and their order are the same, so the results are the same as without streaming.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch

from wan_render.backends.wan.checkpoint.moving import moved_to_device
from wan_render.backends.wan.memory.offload_choice import BLOCKS, BUFFERS, MemoryFit
from wan_render.backends.wan.memory.pinned import pinned
from wan_render.backends.wan.profiles.accelerator import ComponentPlacement, component_bytes
from wan_render.backends.wan.profiles.weight_storage import ALL_ON_DEVICE, ON_DEVICE, ModuleStore, WeightStorage

_ALIGNMENT = 256
"""Alignment of each tensor in a block's memory, in bytes. Enough for every kernel."""


def streamed(component: str, resident: int = 0) -> ComponentPlacement:
    """The placement of a component that diffusers or transformers computes, with streamed blocks. resident: how many of
    them stay on the device."""
    path = BLOCKS[component]

    def size(module: torch.nn.Module) -> int:
        blocks = [component_bytes(block) for block in module.get_submodule(path).children()]
        return component_bytes(module) - sum(blocks) + device_bytes(blocks, resident)

    return ComponentPlacement(
        f"streamed{_beside(resident)}", lambda module, device: _placed(module, path, device, resident), size
    )


def storage_of(component: str, fit: MemoryFit) -> WeightStorage:
    """Where an accelerated transformer keeps its weights. Keys and values of the cross-attention are computed once per
    text, so for those layers buffers are only made when they are needed."""
    once = ModuleStore(lambda device, count: StreamedBlocks(device, count, keeps_buffers=False), lambda _: 0)
    if component in fit.streamed:
        resident = fit.resident_blocks
        each = ModuleStore(
            lambda device, count: StreamedBlocks(device, count, resident), lambda sizes: device_bytes(sizes, resident)
        )
        return WeightStorage(f"streamed{_beside(resident)}", each, once)
    if component in fit.aside:
        return WeightStorage("keys and values of the cross-attention in host memory", ON_DEVICE, once)
    return ALL_ON_DEVICE


def device_bytes(blocks: Sequence[int], resident: int = 0) -> int:
    """Bytes on the device of streamed blocks of these sizes: of those that stay, and of the buffers."""
    stay = _spread(len(blocks), resident)
    moved = [size for index, size in enumerate(blocks) if index not in stay]
    return sum(blocks) - sum(moved) + BUFFERS * max(moved, default=0)


def _beside(resident: int) -> str:
    return f", {resident} blocks on the device" if resident else ""


def _spread(count: int, resident: int) -> frozenset[int]:
    """Which of `count` blocks stay on the device: evenly spread, so that each copy has the time of several blocks."""
    return frozenset(index for index in range(count) if index * resident % count < resident)


class StreamedBlocks(torch.nn.ModuleList):
    """Blocks in host memory. A loop over them finds each on the device, in one of two alternating buffers.

    Loop over all blocks in order, in one thread, on one stream of the device.
    """

    def __init__(self, device: torch.device, count: int, resident: int = 0, *, keeps_buffers: bool = True) -> None:
        """An empty list for `count` blocks. resident: how many of them stay on the device. keeps_buffers: from loop to
        loop."""
        super().__init__()
        self._device, self._resident, self._keeps_buffers = device, _spread(count, resident), keeps_buffers
        self._packed: dict[int, _Packed] = {}
        self._device_buffers: tuple[_Buffer, ...] = ()
        cuda: Any = torch.cuda  # types only some of its functions
        self._copies = cuda.Stream(device) if device.type == "cuda" else None

    def append(self, module: torch.nn.Module) -> Self:
        """Add a block, and move its weights to host memory unless it is one that stays on the device."""
        if len(self._modules) in self._resident:
            module.to(self._device)
        else:
            self._packed[len(self._modules)] = _packed(module, pin=self._device.type == "cuda")
        super().append(module)
        return self

    def __iter__(self) -> Iterator[torch.nn.Module]:
        """Yield each block with its weights on the device, until the next is requested."""
        buffers = self._slots()
        turns = {index: turn for turn, index in enumerate(self._packed)}
        hosts = [packed.host for packed in self._packed.values()]
        try:
            if hosts:
                buffers[0].fill(hosts[0], self._copies)
            for index, block in enumerate(self.children()):
                if (turn := turns.get(index)) is None:
                    yield block
                    continue
                if turn + 1 < len(hosts):
                    buffers[(turn + 1) % BUFFERS].fill(hosts[turn + 1], self._copies)
                with self._packed[index].on(buffers[turn % BUFFERS]):
                    yield block
        finally:  # a loop may end early: then a copy may still be under way
            for buffer in buffers:
                buffer.wait_for_copy()

    def _slots(self) -> tuple[_Buffer, ...]:
        if self._device_buffers or not self._packed:
            return self._device_buffers
        size = max(packed.host.numel() for packed in self._packed.values())
        buffers = tuple(_Buffer.on(self._device, size) for _ in range(BUFFERS))
        if self._keeps_buffers:
            self._device_buffers = buffers
        return buffers


@dataclass(frozen=True)
class _Packed:
    """A block's tensors packed into one piece of host memory, each with its offset."""

    host: torch.Tensor
    places: tuple[tuple[torch.Tensor, int], ...]

    @contextmanager
    def on(self, buffer: _Buffer) -> Iterator[None]:
        """Inside, the block's tensors are in a buffer that its host memory was copied to."""
        buffer.wait_for_copy()
        self.point_to(buffer.memory)
        try:
            yield
        finally:
            self.point_to(self.host)
            buffer.mark_used()

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


def _placed(module: Any, path: str, device: torch.device, resident: int) -> torch.nn.Module:
    """The module with its blocks in host memory, to be streamed, and the rest on the device."""
    owner_path, _, name = path.rpartition(".")
    owner, blocks = module.get_submodule(owner_path), list(module.get_submodule(path))
    setattr(owner, name, torch.nn.ModuleList())
    moved_to_device(module, device)
    streamed_blocks = StreamedBlocks(device, len(blocks), resident)
    for block in blocks:
        streamed_blocks.append(block)
    setattr(owner, name, streamed_blocks)
    placed: torch.nn.Module = module
    return placed


def _packed(block: torch.nn.Module, *, pin: bool) -> _Packed:
    """The block with its tensors packed, so that one copy moves them all. Pinned memory lets it overlap with the
    work."""
    places, size = [], 0
    for tensor in (*block.parameters(), *block.buffers()):
        places.append((tensor, size))
        size += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
    host = pinned(size) if pin else torch.empty(size, dtype=torch.uint8)
    for tensor, offset in places:
        host[offset : offset + tensor.nbytes].view(tensor.dtype).view(tensor.shape).copy_(tensor.data)
    packed = _Packed(host, tuple(places))
    packed.point_to(host)
    return packed
