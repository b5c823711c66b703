"""The card of a model that is made of files: what it is, where its folder will be, and its identity."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import component_files
from wan_render.backends.wan.layouts.assembled_model import assembled_model
from wan_render.backends.wan.layouts.assembly import Assembly
from wan_render.backends.wan.layouts.convert_model import bytes_of
from wan_render.backends.wan.layouts.expert_choice import name_of
from wan_render.backends.wan.models.local_folder import HASHED_AT_ONCE
from wan_render.errors import InputError, Problem
from wan_render.facts import FactCache
from wan_render.keys import content_key
from wan_render.model_card import MadeFrom, ModelCard, NamedParts, Resemblance

PARTS_FORM = "wan-parts/1"
"""Tag and version of the digest of a model's parts. It changes when they are converted to other numbers."""

DIGITS = 8
"""Of the digest, in the name of the model's folder."""


def parts_card(parts: NamedParts, name: str, root: Path, cache: FactCache) -> ModelCard:
    """The card of a model that is made of files. Its numbers are those of the model that it is built like.

    name: what to call it. root: the folder of weights. Every file is hashed once and cached. Raises as assembled_model.
    """
    said = list[str]()
    assembly = assembled_model(parts, root, said.append)
    digest = _digest(assembly, cache)
    like = assembly.like
    made_from = MadeFrom(parts, root, tuple(assembly.experts.high.config.items()), tuple(said), bytes_of(assembly))
    return replace(
        like.card(),
        name=name,
        identity=f"sha256:{digest}",
        resembles=Resemblance(like.name, like.shift, None, uses_own_shift=False),
        licence=None,
        folder=(root / f"{name_of(assembly.experts)}-{digest[:DIGITS]}").absolute(),
        made_from=made_from,
    )


def _digest(assembly: Assembly, cache: FactCache) -> str:
    """SHA-256 over the contents of all files that decide pixels, and the model's name whose steps it has."""
    named = list(_files(assembly))
    try:
        with ThreadPoolExecutor(HASHED_AT_ONCE) as threads:
            digests = list(threads.map(cache.digest, [file for _, file in named]))
    except OSError as fault:
        raise InputError(Problem(str(fault.filename), f"cannot be read: {fault.strerror}")) from None
    found = {name: digest for (name, _), digest in zip(named, digests, strict=True)}
    return content_key(PARTS_FORM, found | {"like": assembly.like.name})


def _files(assembly: Assembly) -> Iterator[tuple[str, Path]]:
    """Every file, with its place in the model."""
    for component, part in assembly.parts.items():
        for number, file in enumerate(part.file.files):
            yield f"{component}/{number}", file
    if assembly.tokenizer is not None:
        for file in component_files(assembly.tokenizer, None):
            yield f"tokenizer/{file.name}", file
