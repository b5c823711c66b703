"""A component whose blocks stay in host memory: each comes to the device while the one before it works.

The same weights, in the same layers, in the same order: the numbers are those of the component as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from wan_render.backends.wan.profiles.accelerator import ComponentPlacement, component_bytes

BLOCKS = {"transformer": "blocks", "transformer_2": "blocks", "text_encoder": "encoder.block"}
"""Where the blocks of a component are, one called after the other by a loop over them."""

_ALIGNMENT = 256
"""Bytes: of each tensor in a block's memory; enough for every kernel."""


def streamed(component: str) -> ComponentPlacement:
    """How a component comes when its blocks are streamed."""
    path = BLOCKS[component]
    return ComponentPlacement(
        "streamed",
        lambda module, device: _placed(module, path, device),
        lambda module: _device_bytes(module.get_submodule(path), component_bytes(module)),
    )


class StreamedBlocks(torch.nn.ModuleList):
    """Blocks in host memory. A loop over them finds each on the device, in one of two slots that they take in turn.

    To be looped over from its first to its last block by one thread, on one stream of the device.
    """

    def __init__(self, blocks: torch.nn.ModuleList, device: torch.device) -> None:
        packed = [_packed(block, pin=device.type == "cuda") for block in blocks]
        super().__init__(blocks)
        self._packed = packed
        size = max(pack.host.numel() for pack in packed)
        self._slots = [_Slot.on(device, size) for _ in range(2)]
        cuda: Any = torch.cuda  # types only some of its functions
        self._copies = cuda.Stream(device) if device.type == "cuda" else None

    def __iter__(self) -> Iterator[torch.nn.Module]:
        """Each block with its weights on the device; they leave it when the next is asked for."""
        self._fetch(0)
        for index, block in enumerate(self._modules.values()):
            if block is None:
                continue
            if index + 1 < len(self._packed):
                self._fetch(index + 1)
            slot = self._slots[index % 2]
            slot.arrived()
            self._packed[index].lie_in(slot.memory)
            yield block
            self._packed[index].lie_in(self._packed[index].host)
            slot.released()

    def _fetch(self, index: int) -> None:
        self._slots[index % 2].fill(self._packed[index].host, self._copies)


@dataclass(frozen=True)
class _Packed:
    """A block's tensors in one piece of host memory, each with its place in it."""

    host: torch.Tensor
    places: tuple[tuple[torch.Tensor, int], ...]

    def lie_in(self, memory: torch.Tensor) -> None:
        """Let the block use what lies at these places of `memory`."""
        for tensor, offset in self.places:
            part = memory[offset : offset + tensor.nbytes]
            tensor.data = part.view(tensor.dtype).view(tensor.shape)


@dataclass(frozen=True)
class _Slot:
    """Memory of the device for one block. copied: what lies in it is whole; used: nobody needs it any more."""

    memory: torch.Tensor
    copied: Any
    used: Any

    @classmethod
    def on(cls, device: torch.device, size: int) -> _Slot:
        """A slot of `size` bytes."""
        memory = torch.empty(size, dtype=torch.uint8, device=device)
        if device.type != "cuda":
            return cls(memory, None, None)
        cuda: Any = torch.cuda
        slot = cls(memory, cuda.Event(), cuda.Event())
        slot.released()  # work that was given this memory before may not have ended yet
        return slot

    def fill(self, host: torch.Tensor, stream: torch.cuda.Stream | None) -> None:
        """Begin to copy, once what used the slot before is done."""
        part = self.memory[: host.numel()]
        if stream is None:
            part.copy_(host)
            return
        with torch.cuda.stream(stream):
            stream.wait_event(self.used)
            part.copy_(host, non_blocking=True)
            self.copied.record(stream)

    def arrived(self) -> None:
        """Have the work that follows wait for the copy."""
        if self.copied is not None:
            torch.cuda.current_stream(self.memory.device).wait_event(self.copied)

    def released(self) -> None:
        """The slot may be filled again once the work so far is done."""
        if self.used is not None:
            self.used.record(torch.cuda.current_stream(self.memory.device))


def _placed(module: Any, path: str, device: torch.device) -> torch.nn.Module:
    """All but the blocks on the device; the blocks in host memory, to be streamed."""
    owner_path, _, name = path.rpartition(".")
    owner, blocks = module.get_submodule(owner_path), module.get_submodule(path)
    setattr(owner, name, torch.nn.ModuleList())
    module.to(device)
    setattr(owner, name, StreamedBlocks(blocks, device))
    placed: torch.nn.Module = module
    return placed


def _packed(block: torch.nn.Module, *, pin: bool) -> _Packed:
    """The block's tensors moved together, so that one copy takes them all; pinned, so that it runs beside the work."""
    places, size = [], 0
    for tensor in (*block.parameters(), *block.buffers()):
        places.append((tensor, size))
        size += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
    host = torch.empty(size, dtype=torch.uint8, pin_memory=pin)
    for tensor, offset in places:
        host[offset : offset + tensor.nbytes].view(tensor.dtype).view(tensor.shape).copy_(tensor.data)
    packed = _Packed(host, tuple(places))
    packed.lie_in(host)
    return packed


def _device_bytes(blocks: torch.nn.Module, whole: int) -> int:
    """What is on the device: all but the blocks, and two slots."""
    sizes = [component_bytes(block) for block in blocks.children()]
    return whole - sum(sizes) + 2 * max(sizes)
