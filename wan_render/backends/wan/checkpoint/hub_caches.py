"""Where the hubs' own programs keep what they download: Hugging Face's cache and ModelScope's."""

from __future__ import annotations

import os
from importlib.util import find_spec
from itertools import product
from pathlib import Path

_DOT = "___"
"""ModelScope writes it for a dot in a folder's name."""


def cached_file(repository: str, file: str, revision: str) -> Path | None:
    """A file in Hugging Face's cache; None if it is not there."""
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import constants, try_to_load_from_cache  # constants: a module, not an attribute until then

    found = try_to_load_from_cache(repository, file, cache_dir=constants.HF_HUB_CACHE, revision=revision)
    return Path(found) if isinstance(found, str) else None


def cached_folder(repository: str, revision: str) -> Path | None:
    """The folder of a model in diffusers' layout in one of the caches; None if there is none."""
    index = cached_file(repository, "model_index.json", revision)
    return index.parent if index is not None else _in_modelscopes(repository)


def snapshot_in(folder: Path) -> Path:
    """The newest snapshot of a repository in Hugging Face's cache: that of its main branch, if it says which. Another
    folder is returned as it is."""
    snapshots = folder / "snapshots"
    if not snapshots.is_dir():
        return folder
    main = folder / "refs" / "main"
    if main.is_file() and (found := snapshots / main.read_text(encoding="utf-8").strip()).is_dir():
        return found
    return max((each for each in snapshots.iterdir() if each.is_dir()), key=_changed, default=folder)


def _changed(folder: Path) -> float:
    return folder.stat().st_mtime


def _in_modelscopes(repository: str) -> Path | None:
    """A model in ModelScope's cache. Its versions differ in the folders above the owner's, and in how they write dots.

    Source: `modelscope/hub/utils/utils.py` and `modelscope/hub/snapshot_download.py` of modelscope/modelscope.
    """
    home = Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache" / "modelscope")
    owner, _, name = repository.partition("/")
    places = product(("", "hub", "models", "hub/models"), (name, name.replace(".", _DOT)))
    folders = (home / above / owner / each for above, each in places)
    return next((folder for folder in folders if (folder / "model_index.json").is_file()), None)
