"""Which files are the transformers of a model: one, or the two experts of Wan 2.2's 14B models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wan_render.backends.wan.layouts.assembly import ExpertParts, PartsMissingError
from wan_render.backends.wan.layouts.gathering import Say, files_of_weights_below
from wan_render.backends.wan.layouts.part import Part
from wan_render.backends.wan.layouts.part_choice import pair_by_name
from wan_render.backends.wan.layouts.sharded_file import without_number
from wan_render.errors import Problem, UsageError
from wan_render.model_card import NamedParts
from wan_render.printable import path_name

_PLAIN_STEMS = ("diffusion_pytorch_model", "model")
"""Names of files that say nothing: the folder's name says more."""


def chosen_experts(parts: NamedParts, transformers: Sequence[Part], say: Say) -> ExpertParts:
    """The named experts; else the transformer among the parts, or two whose names say which is which.

    Raises UsageError if there is none, or more than can be told apart.
    """
    if parts.high is not None or parts.low is not None:
        return _named(parts, transformers)
    if len(transformers) == 1:
        return ExpertParts(transformers[0])
    if (pair := pair_by_name(transformers)) is not None:
        high, low = pair
        told = f"high-noise expert: {_called(high)}; low-noise expert: {_called(low)}"
        say(f"{told}: by their names; --high and --low decide otherwise")
        return ExpertParts(high, low)
    if not transformers:
        remedy = "name the file or the folder that has it"
        raise PartsMissingError(Problem("models import", "there is no transformer among these files", "", remedy))
    remedy = "name one of them before the folder; for Wan 2.2's two experts write --high FILE --low FILE"
    names = ", ".join(_called(part) for part in transformers)
    raise UsageError(Problem("models import", f"there are {len(transformers)} transformers: {names}", "", remedy))


def expert_files(parts: NamedParts) -> list[Path]:
    """The files of the named experts: of a folder with shards, the first."""
    return [file for given in (parts.high, parts.low) if given is not None for file in _files(given)]


def name_of(experts: ExpertParts) -> str:
    """A name for a model: that of its transformer's file, or of the folder if that says nothing."""
    file = without_number(experts.high.file.path)
    return file.absolute().parent.name if file.stem in _PLAIN_STEMS else file.stem


def _files(given: Path) -> list[Path]:
    return files_of_weights_below(given)[:1] if given.is_dir() else [given]


def _named(parts: NamedParts, transformers: Sequence[Part]) -> ExpertParts:
    if parts.high is None or parts.low is None:
        missing = "--high" if parts.high is None else "--low"
        raise UsageError(Problem(missing, "is missing", "Wan 2.2's two experts: --high FILE --low FILE"))
    high = _transformer_in("--high", parts.high, transformers)
    low = _transformer_in("--low", parts.low, transformers)
    if high is low:
        raise UsageError(Problem("--low", "is the same file as --high", "two files"))
    return ExpertParts(high, low)


def _transformer_in(option: str, given: Path, transformers: Sequence[Part]) -> Part:
    files = {without_number(file) for file in _files(given)}
    found = next((part for part in transformers if without_number(part.file.path) in files), None)
    if found is None:
        raise UsageError(Problem(option, f"{path_name(given)} is no transformer"))
    return found


def _called(part: Part) -> str:
    """A transformer's file, with its folder if its name says nothing."""
    file = without_number(part.file.path)
    return f"{file.parent.name}/{file.name}" if file.stem in _PLAIN_STEMS else file.name
