"""Chooses among parts of one kind: the most precise file of an encoder or VAE, and which expert is which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import WEIGHTS, weight_files
from wan_render.backends.wan.layouts.gathering import Gathered, Say
from wan_render.backends.wan.layouts.opened_file import open_weights
from wan_render.backends.wan.layouts.part import Part, PartKind
from wan_render.backends.wan.layouts.recognised import recognise
from wan_render.backends.wan.models import official
from wan_render.errors import WanRenderError
from wan_render.plan.lora_experts import expert_in_name

_PLAINNESS = {"float32": 0, "bfloat16": 1, "float16": 1}
"""The lower, the more precise. Everything else was rounded to fewer bits. The difference between bfloat16 and float16
is not one of quality: both come from the same weights."""


def preferred(gathered: Gathered, kind: PartKind, say: Say) -> list[Part]:
    """The parts of a kind, without those that are less precise files of another one. Says which are left out.

    Two files that are built alike and equally precise both stay: nothing tells which one is meant.
    """
    kept = list[Part]()
    for part in gathered.of(kind):
        better = [other for other in gathered.of(kind) if _is_better(other, part)]
        if not better:
            kept.append(part)
        else:
            say(f"{part.file.title} is not used: {better[0].file.title} is more precise")
    return kept


def _is_better(part: Part, other: Part) -> bool:
    return part.config == other.config and _rank(part) < _rank(other)


def _rank(part: Part) -> int:
    return _PLAINNESS.get(part.file.precision, 2)


def pair_by_name(parts: Sequence[Part]) -> tuple[Part, Part] | None:
    """The high-noise and the low-noise expert, if there are two transformers of one build whose names say it."""
    if len(parts) != 2 or parts[0].config != parts[1].config:
        return None
    by_expert = {expert_in_name(part.file.path.as_posix()): part for part in parts}
    if by_expert.keys() != {"high", "low"}:
        return None
    return by_expert["high"], by_expert["low"]


def borrowed(root: Path, kind: PartKind, latents: int | None, say: Say) -> Part | None:
    """A part of a model in the folder of weights: the encoders and VAEs of all Wan models are the same.

    latents: the channels that a VAE must have; None for other parts.
    """
    for folder in _models_below(root):
        part = _component(folder, kind)
        if part is not None and (latents is None or part.config["z_dim"] == latents):
            say(f"{kind.replace('_', ' ')}: none among the files; that of {folder.name} is used")
            return part
    return None


def _models_below(root: Path) -> Iterator[Path]:
    """The folders of models, those that were pulled first."""
    if not root.is_dir():
        return
    pulled = {model.repository.rpartition("/")[2] for model in official.ALL}
    folders = (folder for folder in root.iterdir() if (folder / "model_index.json").is_file())
    yield from sorted(folders, key=lambda folder: (folder.name not in pulled, folder.name))


def _component(folder: Path, kind: PartKind) -> Part | None:
    """A component of a model; None if it is missing, damaged or built in a way that is not published."""
    place = folder / kind.value
    try:
        found = recognise(open_weights(place / weight_files(place, WEIGHTS[kind.value])[0]))
    except WanRenderError:
        return None
    return found if isinstance(found, Part) and found.kind is kind else None
