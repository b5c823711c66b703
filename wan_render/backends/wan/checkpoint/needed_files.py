"""Which files of a repository a checkpoint needs: configurations, tokenizer, safetensors; never a pickled file.

Paths are relative to the repository, with `/`. A hub may list paths that lead out of a folder; those are never chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import CLASSES, PICKLED, WEIGHTS, weight_files
from wan_render.errors import InputError, Problem, WeightsError

AT_TOP = frozenset({"model_index.json", "README.md", "LICENSE", "LICENSE.txt"})
SMALL = (".json", ".model", ".txt")
MOST_SMALL_BYTES = 100_000_000
"""Tokenizers have up to 20 MB."""


def small_files(sizes: Mapping[str, int]) -> list[str]:
    """The files that say which weights there are, and the other small ones. sizes: bytes, by path."""
    return [path for path, size in sizes.items() if size <= MOST_SMALL_BYTES and _is_small(path)]


def files_of_weights(paths: Collection[str], small: Path) -> list[str]:
    """The files of weights, according to the configurations in the folder `small`.

    Raises WeightsError if one is not among the paths, or if an index of shards is broken.
    """
    try:
        named = list(_named(paths, small))
    except InputError as fault:
        raise WeightsError(*fault.problems) from None
    for path in named:
        if path not in paths:
            raise WeightsError(_missing(path, paths))
    return named


def _is_small(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    is_plain = bool(name) and "\\" not in name and name not in (".", "..")
    return path in AT_TOP or (is_plain and folder in CLASSES and name.endswith(SMALL))


def _named(paths: Collection[str], small: Path) -> Iterator[str]:
    components = {path.partition("/")[0] for path in paths}
    for component, unsharded in WEIGHTS.items():
        if component in components:
            yield from (f"{component}/{name}" for name in weight_files(small / component, unsharded))


def _missing(path: str, paths: Collection[str]) -> Problem:
    folder = f"{path.partition('/')[0]}/"
    pickled = sorted(other for other in paths if other.startswith(folder) and other.endswith(PICKLED))
    if pickled:
        allowed = "safetensors only: a pickled file can run programs"
        return Problem(path, f"is not on the hub; {pickled[0]} is", allowed, "try another --revision")
    return Problem(path, "is not on the hub", remedy="try another --revision or --source")
