"""How a scalar of the file is written: text in, value out, one parser for each type.

YAML's own guesses (`010` is 8, `5:00` is 300, `no` is False) are never made: every scalar arrives here as the text
that stands in the file. A `Spelling` is the annotation of a field; the JSON Schema takes its patterns from it too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from wan_render.printable import LONGEST_SHOWN, shown

LONGEST_SCALAR = 200
"""Characters of anything but free text; no parser ever sees more."""


class ReferenceKind(StrEnum):
    """What a text refers to, so that the reader can look for it."""

    START = "start"  # a keyframe's name, or `previous`
    KEYFRAME = "keyframe"
    MODEL = "model"
    PICTURE = "picture"
    SOUND = "sound"
    LORA = "lora"
    CLIP = "clip"


class Misspelt(ValueError):  # noqa: N818 - it never leaves this package
    """A text that is no value of its type: what is allowed, what to do."""

    def __init__(self, allowed: str, remedy: str = "", found: str = "") -> None:
        super().__init__(allowed, remedy, found)
        self.allowed, self.remedy, self.found = allowed, remedy, found


@dataclass(frozen=True)
class Spelling:
    """The one way from a scalar's text to a value.

    noun:   what the value is, with its article: "a time".
    parse:  text to value; raises Misspelt.
    kind:   the type or types of the value; one that is already of it passes.
    free:   whether any text is allowed.
    schema: JSON Schema of what an editor's YAML 1.2 parser makes of the allowed texts.
    """

    noun: str
    parse: Callable[[str], Any]
    kind: type | tuple[type, ...]
    schema: Mapping[str, Any] = field(hash=False)
    role: ReferenceKind | None = None
    free: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """A plain validator: no lax mode of pydantic sees the value."""
        return core_schema.no_info_plain_validator_function(self.validate)

    def validate(self, value: Any) -> Any:
        """The value of a text; a value of the type itself is kept. Raises PydanticCustomError `misspelt`."""
        if isinstance(value, str):
            return self._parsed(value)
        if isinstance(value, self.kind):
            return value
        raise _error(f"expected {self.noun}, found {type(value).__name__}", "", "")

    def _parsed(self, text: str) -> Any:
        try:
            return self._read(text)
        except Misspelt as error:
            found = error.found or f"{shown(text)} is not {self.noun}"
            raise _error(found, error.allowed, self._plain_digits(text) or error.remedy) from None

    def _read(self, text: str) -> Any:
        if len(text) > LONGEST_SCALAR and not self.free:
            raise Misspelt(f"allowed: at most {LONGEST_SCALAR} characters")
        return self.parse(text)

    def _plain_digits(self, text: str) -> str:
        """`５ｓ` was meant as 5s: a Chinese input method writes it so."""
        plain = unicodedata.normalize("NFKC", text).strip()
        if plain == text:
            return ""
        try:
            self._read(plain)
        except Misspelt:
            return ""
        return f"write {shown(plain)}, without full-width characters and spaces"


def _error(found: str, allowed: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("misspelt", "{found}", {"found": found, "allowed": allowed, "remedy": remedy})


def meant(word: str, candidates: Iterable[str]) -> str:
    """The candidate that the word was most likely meant to be, or ""."""
    if not word or len(word) > LONGEST_SHOWN:
        return ""
    import difflib  # only a file with a mistake pays for it

    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else ""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """`did you mean 'duration'?`, or "" where nothing is near."""
    candidate = meant(word, candidates)
    return f"did you mean {shown(candidate)}?" if candidate else ""


@dataclass(frozen=True)
class _OneOrMany:
    """Marks a list that may be written as its single item."""


Item = TypeVar("Item")
OneOrMany = Annotated[tuple[Item, ...], _OneOrMany()]
"""A list; a single item may stand for itself."""


def is_one_or_many(mark: object) -> bool:
    """Whether an annotation's mark is the one of OneOrMany."""
    return isinstance(mark, _OneOrMany)
