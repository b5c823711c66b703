"""Which tensors of this process lie in files, and where. Linux only; elsewhere none are known."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ..(.)(.) ([0-9a-f]+) \S+ (\d+) +(/.*)")
"""A mapping's line in smaps: its addresses, `x` for code, `p` for private, its place in the file, the file's number and
path (proc_pid_smaps(5))."""


@dataclass(frozen=True)
class FilePlace:
    """Bytes of a file. inode: the file's number. A file at this path with another number is another file."""

    path: Path
    inode: int
    offset: int


@dataclass(frozen=True)
class MappedFile:
    """A file, or a part of one, that is mapped into memory. begin, end: its addresses. place: of its first byte."""

    begin: int
    end: int
    place: FilePlace


class MappedFiles:
    """The files that are mapped into memory now, and whose pages nobody has changed there."""

    def __init__(self, files: Sequence[MappedFile]) -> None:
        self._files = sorted(files, key=lambda file: file.begin)
        self._begins = [file.begin for file in self._files]

    def place_of(self, tensor: torch.Tensor) -> FilePlace | None:
        """Where a tensor's bytes begin in a file. None if it isn't in one, or has gaps."""
        if tensor.device.type != "cpu" or not tensor.is_contiguous() or not tensor.numel():
            return None
        address = tensor.data_ptr()
        file = self._files[bisect_right(self._begins, address) - 1] if self._files else None
        if file is None or not file.begin <= address <= file.end - tensor.nbytes:
            return None
        return FilePlace(file.place.path, file.place.inode, file.place.offset + address - file.begin)


def mapped_files(smaps: Path = Path("/proc/self/smaps")) -> MappedFiles:
    """The files that are mapped now. smaps: where the system tells."""
    with suppress(OSError):
        return MappedFiles(list(_unchanged(smaps.read_text(encoding="utf-8", errors="surrogateescape"))))
    return MappedFiles(())


def _unchanged(smaps: str) -> Iterator[MappedFile]:
    """Private mappings without a page of their own: a page that is written to becomes anonymous memory."""
    current: MappedFile | None = None
    for line in smaps.splitlines():
        if found := _MAPPING.fullmatch(line):
            begin, end, offset = (int(found[index], 16) for index in (1, 2, 5))
            is_data = found[3] == "-" and found[4] == "p"
            current = MappedFile(begin, end, FilePlace(Path(found[7]), int(found[6]), offset)) if is_data else None
        elif line.startswith("Anonymous:"):
            if current is not None and line.split()[1] == "0":
                yield current
            current = None  # the next mapping may have no file
