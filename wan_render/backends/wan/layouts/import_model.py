"""`models import`: files in other layouts become a folder that `model:` can name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from wan_render.backends.wan.layouts.assembled_model import assembled_model
from wan_render.backends.wan.layouts.assembly import Assembly
from wan_render.backends.wan.layouts.convert_model import bytes_of, convert_model
from wan_render.backends.wan.layouts.expert_choice import name_of
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.model_card import ModelCard
from wan_render.model_weights import ImportedModel, ImportRequest, PullSize, PullWatch
from wan_render.printable import path_name, shown
from wan_render.settings import install_command
from wan_render.store.disk import gigabytes
from wan_render.store.file_locks import locked, once

PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "sentencepiece", "google.protobuf")
"""Of the extra `wan`. The last two read a tokenizer that is in a text encoder's file."""


def import_model(request: ImportRequest, watch: PullWatch) -> ImportedModel:
    """Say what each file is, and write the model that they make.

    Raises UsageError for files that are missing, not known or too many; InputError for damaged ones; MachineError
    without the extra `wan`; DiskError.
    """
    _need_packages("models import")
    assembly = assembled_model(request.parts, request.root, watch.say)
    folder = _new_folder(request.root, request.name or name_of(assembly.experts))
    size = bytes_of(assembly)
    watch.begin(PullSize(len(assembly.parts), len(assembly.parts), size, size, "convert"))
    _convert(assembly, folder, watch)
    return ImportedModel(folder, assembly.like.card(), sum(file.stat().st_size for file in folder.rglob("*.*")))


def convert_card(card: ModelCard, watch: PullWatch) -> None:
    """Write the folder of a model that is made from files, unless it is there. Raises as import_model."""
    if card.made_from is None or card.folder is None or card.folder.is_dir():
        return
    _need_packages(card.name)
    assembly = assembled_model(card.made_from.parts, card.made_from.root, lambda _: None)
    watch.say(f"{card.name}: converting {gigabytes(bytes_of(assembly))} into {path_name(card.folder)}, once")
    _convert(assembly, card.folder, watch)


def _convert(assembly: Assembly, folder: Path, watch: PullWatch) -> None:
    """Write the folder, unless another process has just done so. Two at once wait for each other."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    waiting = once(lambda: watch.say(f"waiting: another process converts {folder.name}"))
    with locked(folder.with_name(f".{folder.name}.lock"), waiting):
        if not folder.is_dir():
            convert_model(assembly, folder, watch.say, watch.advance)


def _need_packages(where: str) -> None:
    missing = [name for name in PACKAGES if find_spec(name.partition(".")[0]) is None]
    if missing:
        raise MachineError(Problem(where, f"not installed: {', '.join(missing)}", remedy=install_command("wan")))


def _new_folder(root: Path, name: str) -> Path:
    if Path(name).name != name or name.startswith("."):
        raise UsageError(Problem("--name", f"{shown(name)} is no name of a folder", "a word, without / and ."))
    folder = root / name
    if folder.exists():
        remedy = "use it with `model:`, give another --name, or move it away"
        raise UsageError(Problem(path_name(folder), "is there already", "", remedy))
    return folder
