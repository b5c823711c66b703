"""From files that somebody named to the model that they make. Needs no torch, except for torch's own files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wan_render.backends.wan.layouts.assembly import (
    Assembly,
    ExpertParts,
    PartsAtHand,
    PartsMissingError,
    assemble_model,
)
from wan_render.backends.wan.layouts.expert_choice import chosen_experts, expert_files
from wan_render.backends.wan.layouts.gathering import Gathered, Say, gather
from wan_render.backends.wan.layouts.part import Part, PartKind
from wan_render.backends.wan.layouts.part_choice import borrowed, preferred
from wan_render.errors import Problem, UsageError
from wan_render.model_card import NamedParts
from wan_render.printable import path_name

TOKENIZER_FILES = ("tokenizer.json", "spiece.model")


def assembled_model(parts: NamedParts, root: Path, say: Say) -> Assembly:
    """The model that files make, with what is missing from a model in the folder of weights, `root`. Says what each
    file is, and what was chosen.

    Raises UsageError for files that are missing, not known or too many; InputError for damaged ones; MachineError for a
    file that this machine cannot read. If the model cannot be made, the files that were passed over are told again: one
    of them may be what is missing.
    """
    gathered = gather((*parts.paths, *expert_files(parts)), say)
    try:
        _require_kinds(parts, gathered)
        experts = chosen_experts(parts, gathered.of(PartKind.TRANSFORMER), say)
        others = [part for kind in PartKind for part in _of_kind(gathered, kind, experts, root, say)]
        assembly = assemble_model(experts, PartsAtHand(tuple(others), _tokenizer(parts, root, others, say)), parts.like)
    except PartsMissingError as error:
        raise PartsMissingError(*error.problems, *gathered.faults) from None
    for sentence in _facts(assembly):
        say(sentence)
    return assembly


def _require_kinds(parts: NamedParts, gathered: Gathered) -> None:
    """Raise UsageError for a file that was named as a part that it is not."""
    found = {file: part for part in gathered.named for file in part.file.files}
    for key, file in parts.keys:
        if file.is_dir():
            continue
        if file not in found:
            raise UsageError(Problem(key, f"{path_name(file)} is no part of a Wan model"))
        if found[file].kind.value != key:
            raise UsageError(Problem(key, f"{path_name(file)} is a {found[file].words}"))


def _of_kind(gathered: Gathered, kind: PartKind, experts: ExpertParts, root: Path, say: Say) -> list[Part]:
    """The parts of a kind that may be used: those of the files, else one of a model that is here."""
    if kind is PartKind.TRANSFORMER:
        return []
    found = preferred(gathered, kind, say)
    latents = experts.high.config["out_channels"] if kind is PartKind.VAE else None
    fitting = [part for part in found if latents is None or part.config["z_dim"] == latents]
    if fitting or not experts.needs(kind):
        return fitting
    other = borrowed(root, kind, latents, say)
    return [other] if other is not None else []


def _tokenizer(parts: NamedParts, root: Path, others: list[Part], say: Say) -> Path | None:
    """The folder of a tokenizer: the named one, or one below the paths. None if the text encoder's file has it. Else
    that of a model in the folder of weights."""
    if parts.tokenizer is not None:
        if not any((parts.tokenizer / name).is_file() for name in TOKENIZER_FILES):
            allowed = f"a folder with {' or '.join(TOKENIZER_FILES)}"
            raise UsageError(Problem("tokenizer", f"{path_name(parts.tokenizer)} has no tokenizer", allowed))
        return parts.tokenizer
    below = (file for path in parts.paths if path.is_dir() for file in path.rglob(TOKENIZER_FILES[0]))
    if (found := next((file.parent for file in below if _is_umt5(file)), None)) is not None:
        return found
    if any(part.file.has_tokenizer for part in others):
        return None
    pulled = next(iter(sorted(root.glob(f"*/tokenizer/{TOKENIZER_FILES[0]}"))), None)
    if pulled is None:
        return None
    say(f"tokenizer: none among the files; that of {pulled.parent.parent.name} is used")
    return pulled.parent


def _is_umt5(file: Path) -> bool:
    """CLIP's tokenizer, which Wan's folder has as well, is called otherwise."""
    return "umt5" in str(file.parent).lower() or file.parent.name == "tokenizer"


def _facts(assembly: Assembly) -> Iterator[str]:
    """What should be known of a model before it is made."""
    others = ", ".join(model.name for model in assembly.others)
    choice = f"; built alike: {others}; --like NAME chooses another" if others else ""
    yield f"its numbers are those of {assembly.like.name}{choice}"
    for component, part in assembly.parts.items():
        if part.file.is_rounded:
            yield f"{component} was stored in {part.file.precision} and is written as bfloat16: its rounding stays"
