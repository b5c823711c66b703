"""Opens a file of weights of any layout that is known, by its ending."""

from __future__ import annotations

from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import PICKLED
from wan_render.backends.wan.layouts.gguf_file import GGUF_SUFFIX, open_gguf
from wan_render.backends.wan.layouts.pickled_file import open_pickled
from wan_render.backends.wan.layouts.sharded_file import all_shards, of_shards
from wan_render.backends.wan.layouts.weights_file import WeightsFile, open_safetensors

SUFFIXES = (".safetensors", GGUF_SUFFIX, *PICKLED)


def open_weights(path: Path) -> WeightsFile:
    """Open a file, with the other shards if it is one of several, and list what is in it.

    Raises InputError if a file is damaged or missing, or holds anything but tensors; MachineError for a GGUF file
    without the extra `gguf`.
    """
    opened = [_opened(shard) for shard in all_shards(path)]
    return opened[0] if len(opened) == 1 else of_shards(opened)


def _opened(path: Path) -> WeightsFile:
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return open_safetensors(path)
    return open_gguf(path) if suffix == GGUF_SUFFIX else open_pickled(path)
