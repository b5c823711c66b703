"""A file of weights that was cut into shards: `…-00001-of-00007.safetensors`, as Wan's 14B transformers come."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.backends.wan.layouts.weights_file import WeightsFile
from wan_render.errors import InputError, Problem

if TYPE_CHECKING:
    import torch

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})$")


@dataclass(frozen=True)
class ShardedWeights(WeightsFile):
    """Shards, read as one file. owners: the shard that each tensor is in."""

    shards: tuple[WeightsFile, ...]
    owners: Mapping[str, WeightsFile]

    @property
    def files(self) -> tuple[Path, ...]:
        """The shards."""
        return tuple(shard.path for shard in self.shards)

    @property
    def title(self) -> str:
        """The name of the whole, without the shard's number."""
        return without_number(self.path).name

    @property
    def has_tokenizer(self) -> bool:
        """Whether the text encoder's tokenizer is in one of the shards."""
        return any(shard.has_tokenizer for shard in self.shards)

    def tokenizer(self) -> bytes:
        """The tokenizer that is in a shard."""
        return next(shard.tokenizer() for shard in self.shards if shard.has_tokenizer)

    def is_number(self, name: str) -> bool:
        """Whether a weight can be read. Its scale may be in another shard."""
        return super().is_number(name) or self.owners[name].is_number(name)

    def read(self, name: str) -> torch.Tensor:
        """A tensor, from its shard."""
        return self.owners[name].read(name)

    def weight(self, name: str) -> torch.Tensor:
        """A weight as plain numbers. Its scale may be in another shard."""
        return super().weight(name) if self._scale_of(name) is not None else self.owners[name].weight(name)


def of_shards(shards: Sequence[WeightsFile]) -> WeightsFile:
    """One file of weights from its shards, in their order."""
    owners = {name: shard for shard in shards for name in shard.tensors}
    tensors = {name: shard.tensors[name] for name, shard in owners.items()}
    return ShardedWeights(shards[0].path, tensors, tuple(shards), owners)


def without_number(file: Path) -> Path:
    """The path that a file would have if it were not cut."""
    match = _SHARD.match(file.stem)
    return file.with_name(f"{match['stem']}{file.suffix}") if match else file


def grouped(files: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Files, with the shards of one file together, in the order of the files."""
    groups: dict[Path, list[Path]] = {}
    for file in files:
        groups.setdefault(without_number(file), []).append(file)
    return [tuple(sorted(group)) for group in groups.values()]


def all_shards(file: Path) -> tuple[Path, ...]:
    """All shards of the file that this one belongs to; the file alone if it is not cut.

    Raises InputError with the shards that are not there.
    """
    match = _SHARD.match(file.stem)
    if match is None:
        return (file,)
    count = int(match["count"])
    names = (f"{match['stem']}-{number:05d}-of-{match['count']}{file.suffix}" for number in range(1, count + 1))
    shards = tuple(file.with_name(name) for name in names)
    if missing := [shard.name for shard in shards if not shard.is_file()]:
        found = f"has {count - len(missing)} of {count} shards"
        raise InputError(Problem(str(without_number(file)), found, "", f"download the others: {missing[0]}, …"))
    return shards
