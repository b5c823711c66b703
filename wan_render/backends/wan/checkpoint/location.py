"""Where a model's weights are on this machine, and how to get them. Needs no torch and downloads nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.hub_caches import cached_folder
from wan_render.backends.wan.weights.manifest import manifest_of
from wan_render.errors import InputError, Problem
from wan_render.model_card import ModelCard
from wan_render.settings import install_command, machine_settings

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "ftfy")


def weights_folder(card: ModelCard) -> Path | None:
    """The folder of a model's weights: its own, one below WAN_RENDER_WEIGHTS, or one in a hub's own cache.
    None if there is none."""
    if card.folder is not None:
        return card.folder
    repository, _, revision = card.identity.partition("@")
    pulled = pulled_folder(card, machine_settings().weights)
    return pulled if pulled.is_dir() else cached_folder(repository, revision)


def pulled_folder(card: ModelCard, root: Path) -> Path:
    """The place of a published model's weights below a folder of weights, whether or not they are there."""
    return root / card.identity.partition("@")[0].rpartition("/")[2]


def missing_packages() -> Problem | None:
    """A problem that names the packages that rendering needs and that are not installed."""
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if not absent:
        return None
    return Problem("backend wan", f"not installed: {', '.join(absent)}", remedy=install_command("wan"))


def missing_weights(card: ModelCard) -> Problem | None:
    """Why the model cannot be loaded: not downloaded, or the first fault of its files. None if it can."""
    folder = weights_folder(card)
    if folder is None:
        return Problem(card.name, "its weights are not on this machine", remedy=download_command(card))
    if card.made_from is not None and not folder.is_dir():
        return None  # it is converted before it is used
    try:
        read_checkpoint(folder)
    except InputError as fault:
        first = fault.problems[0]
        remedy = first.remedy if card.folder is not None else download_command(card)
        return Problem(card.name, f"{first.where} {first.found}", first.allowed, remedy)
    return None


def download_command(card: ModelCard) -> str:
    """The command that downloads a published model."""
    return f"run: wan-render models pull {card.name}"


def resolved(card: ModelCard, folder: Path) -> str:
    """The exact version of weights: the commit of a download, or the digest of a local folder.

    The commit is in the manifest of a pulled folder, in the name of a snapshot in Hugging Face's cache, and in a note
    of `hf download --local-dir`.
    """
    if card.folder is not None:
        return card.identity
    if (manifest := manifest_of(folder)) is not None:
        form = ", bfloat16 on disk" if any(file.converted for file in manifest.files.values()) else ""
        return f"{manifest.commit} from {manifest.source}{form}"
    if folder.parent.name == "snapshots":
        return folder.name
    note = folder / ".cache" / "huggingface" / "download" / "model_index.json.metadata"
    return note.read_text(encoding="utf-8").splitlines()[0] if note.is_file() else f"unknown, from {folder.name}"
