"""Moves weights from their files to a GPU.

The libraries map files into memory, and one thread copies them from there, page by page. Here several threads read them
into page-locked memory, which the GPU copies from: three to five times as fast if the files are cached. Measured in
docs/benchmarks.md.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wan_render.backends.wan.checkpoint.mapped_files import FilePlace, MappedFiles, mapped_files
from wan_render.errors import Problem, WeightsError

THREADS = 12
"""At most; and at most one for each core. On 16 cores, 8 threads were a quarter slower, and 16 no faster."""

PIECE_BYTES = 8 << 20
"""What a thread reads at a time."""

BUFFERS = 2
"""Of each thread: it reads into one while the GPU copies from the other. torch keeps them for the next module: 0.2 GB
of page-locked memory in all."""

Move = Callable[[torch.nn.Module], None]
"""Moves a module, in place, like Module.to."""


@contextmanager
def moving_to(device: torch.device) -> Iterator[Move]:
    """Gives a function that moves modules to a device. Weights keep their bits.

    Weights that lie in files as they are loaded are read from there; others, and all on a CPU, are moved by torch. The
    function raises WeightsError if a file can't be read. Inside, change no weight before it is moved.
    """
    if device.type != "cuda":
        yield lambda module: _moved_by_torch(module, device)
        return
    with ExitStack() as stack:
        yield FileMove(device, mapped_files(), stack)


def moved_to_device(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """Move one module; see moving_to."""
    with moving_to(device) as move:
        move(module)
    return module


def _moved_by_torch(module: torch.nn.Module, device: torch.device) -> None:
    module.to(device)


@dataclass(frozen=True)
class _Piece:
    """Bytes to read from an open file, and the part of a tensor on the device that they are for."""

    path: Path
    file: int
    offset: int
    target: torch.Tensor


class FileMove:
    """Moves modules, with threads that read files. On a CPU it only copies."""

    def __init__(self, device: torch.device, files: MappedFiles, stack: ExitStack) -> None:
        """stack: closes the files and ends the threads."""
        self._device, self._files, self._stack = device, files, stack
        self._open: dict[Path, int | None] = {}
        self._lanes: list[_Lane] = []
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, module: torch.nn.Module) -> None:
        """Move a module. Later work on the current stream finds its weights there."""
        pieces: deque[_Piece] = deque()
        for tensor in (*module.parameters(), *module.buffers()):
            place = self._files.place_of(tensor)
            if place is None or (file := self._opened(place)) is None:
                continue
            on_device = torch.empty_like(tensor, device=self._device)
            pieces.extend(_pieces(place, file, on_device))
            tensor.data = on_device
        if pieces:
            self._read(pieces)
        module.to(self._device)

    def _read(self, pieces: deque[_Piece]) -> None:
        pool = self._started()
        free = _recorded(self._device)  # earlier work may still use this memory
        reading = [pool.submit(lane.copy, pieces, free) for lane in self._lanes]
        try:
            wait(reading)
        finally:
            pieces.clear()  # after an interrupt, the threads end before their files are closed
            wait(reading)
        for lane in self._lanes:
            lane.let_others_wait()
        for each in reading:
            each.result()

    def _started(self) -> ThreadPoolExecutor:
        if self._pool is None:
            count = min(THREADS, len(os.sched_getaffinity(0)))
            self._lanes = [_Lane(self._device) for _ in range(count)]
            self._pool = self._stack.enter_context(ThreadPoolExecutor(count, "weights"))
        return self._pool

    def _opened(self, place: FilePlace) -> int | None:
        """The file, opened to read. None if it isn't there any more."""
        if place.path not in self._open:
            self._open[place.path] = None
            with suppress(OSError):
                stream = self._stack.enter_context(place.path.open("rb", buffering=0))
                if os.fstat(stream.fileno()).st_ino == place.inode:
                    self._open[place.path] = stream.fileno()
        return self._open[place.path]


class _Lane:
    """One thread's buffers, and the stream that copies from them."""

    def __init__(self, device: torch.device) -> None:
        self._device, is_cuda = device, device.type == "cuda"
        cuda: Any = torch.cuda  # types only some of its functions
        self._stream = cuda.Stream(device) if is_cuda else None
        self._copied = [cuda.Event() if is_cuda else None for _ in range(BUFFERS)]
        self._buffers = [torch.empty(PIECE_BYTES, dtype=torch.uint8, pin_memory=is_cuda) for _ in range(BUFFERS)]

    def copy(self, pieces: deque[_Piece], free: torch.cuda.Event | None) -> None:
        """Read and send pieces until none are left. free: from when on they may be written to. Raises WeightsError."""
        with torch.cuda.stream(self._stream):
            if self._stream is not None and free is not None:
                self._stream.wait_event(free)
            try:
                for turn, piece in enumerate(_taken(pieces)):
                    self._send(piece, turn % BUFFERS)
            except WeightsError:
                pieces.clear()  # the others need not go on
                raise

    def let_others_wait(self) -> None:
        """Let later work on the device wait for the copies."""
        if self._stream is not None:
            torch.cuda.current_stream(self._device).wait_stream(self._stream)

    def _send(self, piece: _Piece, index: int) -> None:
        buffer, copied = self._buffers[index][: piece.target.numel()], self._copied[index]
        if copied is not None:
            copied.synchronize()
        read_into(buffer.numpy().data, piece.path, piece.file, piece.offset)
        piece.target.copy_(buffer, non_blocking=True)
        if copied is not None:
            copied.record(self._stream)


def read_into(memory: memoryview, path: Path, file: int, offset: int) -> None:
    """Fill memory with a file's bytes. path: its name in errors. Raises WeightsError if it can't be read, or ends
    before."""
    remedy = "look at the disk (dmesg), or download the model again"
    done = 0
    while done < len(memory):
        try:
            count = os.preadv(file, [memory[done:]], offset + done)
        except OSError as fault:
            raise WeightsError(Problem(str(path), f"cannot be read: {fault.strerror}", remedy=remedy)) from fault
        if not count:
            found = f"was cut off while it was read: it has {os.fstat(file).st_size:,} bytes"
            raise WeightsError(Problem(str(path), found, f"expected at least {offset + len(memory):,}", remedy))
        done += count


def _recorded(device: torch.device) -> torch.cuda.Event | None:
    """When the device has done what it was asked for so far."""
    return torch.cuda.current_stream(device).record_event() if device.type == "cuda" else None


def _pieces(place: FilePlace, file: int, on_device: torch.Tensor) -> Sequence[_Piece]:
    numbers = on_device.view(-1).view(torch.uint8)
    return [
        _Piece(place.path, file, place.offset + begin, numbers[begin : begin + PIECE_BYTES])
        for begin in range(0, len(numbers), PIECE_BYTES)
    ]


def _taken(pieces: deque[_Piece]) -> Iterator[_Piece]:
    """Pieces from the left, which other threads take from, too."""
    with suppress(IndexError):
        while True:
            yield pieces.popleft()
