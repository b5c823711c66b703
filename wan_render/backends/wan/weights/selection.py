"""Which files of a repository a model needs: configurations, tokenizer, safetensors; never a pickled file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import CLASSES, PICKLED, WEIGHTS, weight_files
from wan_render.backends.wan.weights.hub import RemoteFile
from wan_render.errors import InputError, Problem, WeightsError

AT_TOP = frozenset({"model_index.json", "README.md", "LICENSE", "LICENSE.txt"})
SMALL = (".json", ".model", ".txt")
MOST_SMALL_BYTES = 100_000_000
"""Tokenizers have up to some 20 MB."""


def small_files(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """What is read first: it says which weights there are."""
    return tuple(file for file in files if _is_small(file))


def weights(files: Iterable[RemoteFile], small: Path) -> tuple[RemoteFile, ...]:
    """The files of weights, by the configurations in the folder `small`.

    Raises WeightsError where the hub lacks one, or an index of shards is broken.
    """
    by_path = {file.path: file for file in files}
    try:
        return tuple(_listed(name, by_path) for name in _names(by_path, small))
    except InputError as fault:
        raise WeightsError(*fault.problems) from None


def component_of(path: str) -> str:
    """The component that a file belongs to, "" for one at the top."""
    return path.partition("/")[0] if "/" in path else ""


def _is_small(file: RemoteFile) -> bool:
    folder, _, name = file.path.rpartition("/")
    if file.size > MOST_SMALL_BYTES or not name or "\\" in name or name in (".", ".."):
        return False
    return file.path in AT_TOP or (folder in CLASSES and name.endswith(SMALL))


def _names(by_path: dict[str, RemoteFile], small: Path) -> Iterator[str]:
    components = {component_of(path) for path in by_path}
    for component, unsharded in WEIGHTS.items():
        if component in components:
            yield from (f"{component}/{name}" for name in weight_files(small / component, unsharded))


def _listed(name: str, by_path: dict[str, RemoteFile]) -> RemoteFile:
    if name in by_path:
        return by_path[name]
    folder = component_of(name)
    pickled = sorted(path for path in by_path if component_of(path) == folder and path.endswith(PICKLED))
    if pickled:
        allowed = "safetensors only: a pickled file can run programs"
        raise WeightsError(Problem(name, f"is not on the hub; {pickled[0]} is", allowed, "try another --revision"))
    raise WeightsError(Problem(name, "is not on the hub", remedy="try another --revision or --source"))
