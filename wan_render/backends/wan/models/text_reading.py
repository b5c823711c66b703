"""How a model's tokenizer reads a text, if the tokenizer is on this machine. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wan_render.backends.wan.checkpoint.location import weights_folder
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, TextReading
from wan_render.plan.prompt_length import about_tokens, from_word

KIND = "text-reading/1"
"""The kind of the cached readings of texts."""

FAR_BELOW = 3
"""Loading a tokenizer of 256,000 words takes half a second. It is skipped if the estimate is this many times below the
limit: no real text is that far off."""

_BYTES = "ByT5Tokenizer"
"""The only class without a vocabulary: a token is a byte."""


@dataclass(frozen=True)
class TextReader:
    """Reads texts for one model. folder: of its tokenizer; None if it is not on this machine."""

    folder: Path | None
    limit: int
    cache: FactCache

    @classmethod
    def of(cls, card: ModelCard, cache: FactCache) -> TextReader:
        """The reader for a model, in its folder of weights if it has one."""
        weights = weights_folder(card)
        return cls(weights / "tokenizer" if weights is not None else None, card.prompt_tokens, cache)

    def reading(self, text: str) -> TextReading | None:
        """How the tokenizer reads a text. None if the tokenizer is missing or unreadable, or if the text is clearly
        short enough. Readings are cached."""
        if self.folder is None:
            return None
        if self._class == _BYTES:
            return _read_bytes(text, self.limit)
        if about_tokens(text) * FAR_BELOW <= self.limit:
            return None
        return _remembered(self.folder / "tokenizer.json", text, self.limit, self.cache)

    @cached_property
    def _class(self) -> str:
        try:
            return str(json.loads(((self.folder or Path()) / "tokenizer_config.json").read_bytes())["tokenizer_class"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""


def _read_bytes(text: str, limit: int) -> TextReading:
    data = text.encode()
    kept = len(data[: limit - 1].decode(errors="ignore"))
    return TextReading(len(data) + 1, from_word(text, kept) if kept < len(text) else "")


def _remembered(file: Path, text: str, limit: int, cache: FactCache) -> TextReading | None:
    try:
        digest = hashlib.sha256(f"{cache.digest(file)}\n{limit}\n{text}".encode()).hexdigest()
    except OSError:
        return None
    known = cache.get(KIND, digest)
    if known is None:
        found = _read_words(file, text, limit)
        if found is None:
            return None
        cache.put(KIND, digest, known := [found.tokens, found.lost])
    return TextReading(known[0], known[1])


def _read_words(file: Path, text: str, limit: int) -> TextReading | None:
    tokenizer = _tokenizer(file)
    if tokenizer is None:
        return None
    read = tokenizer.encode(text)
    if len(read.ids) <= limit:
        return TextReading(len(read.ids), "")
    return TextReading(len(read.ids), from_word(text, read.offsets[limit - 1][0]))


@lru_cache(maxsize=4)
def _tokenizer(file: Path) -> Any | None:
    """A tokenizer without truncation and padding. None if its library is missing or its file is damaged."""
    if find_spec("tokenizers") is None:
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception:  # noqa: BLE001 - the library raises nothing narrower; the renderer reports the fault of the file
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
