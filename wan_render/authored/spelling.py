"""How the scalars of the file are written: text in, value out, one parser for each type.

YAML's own guesses (`010` is 8, `5:00` is 300, `no` is False) are avoided: every scalar arrives here as its text in the
file. A `Spelling` annotates a field; the JSON Schema uses its patterns as well.
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
"""Characters of any scalar that is not free text. Parsers never see more."""


class ReferenceKind(StrEnum):
    """What a text refers to, so that the reader can look it up."""

    START = "start"  # a keyframe's name, or `previous`
    KEYFRAME = "keyframe"
    MODEL = "model"
    WEIGHTS = "weights"  # a file or a folder
    WORKFLOW = "workflow"
    PICTURE = "picture"
    SOUND = "sound"
    LORA = "lora"
    CLIP = "clip"
    UPSCALER = "upscaler"


class Misspelt(ValueError):  # noqa: N818 - it never leaves this package
    """A text that is not a value of its type: what is allowed, what to do."""

    def __init__(self, allowed: str, remedy: str = "", found: str = "") -> None:
        super().__init__(allowed, remedy, found)
        self.allowed, self.remedy, self.found = allowed, remedy, found


@dataclass(frozen=True)
class Spelling:
    """How a scalar's text becomes a value.

    noun:   what the value is, with an article: "a time".
    parse:  text to value; raises Misspelt.
    kind:   the type or types of the value. A value that already has this type passes.
    schema: the JSON Schema of the allowed texts as an editor's YAML 1.2 parser reads them.
    role:   what the text refers to, if anything.
    free:   whether any text is allowed.
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
        """The value of a text; a value that already has the type is kept. Raises PydanticCustomError `misspelt`."""
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
        """A hint for texts like `５ｓ`, which Chinese input methods produce for 5s; "" for others."""
        plain = unicodedata.normalize("NFKC", text).strip()
        if plain == text:
            return ""
        try:
            self._read(plain)
        except Misspelt:
            return ""
        return f"write {shown(plain)}, without full-width characters and spaces"


def _error(found: str, allowed: str, remedy: str, at: tuple[int, ...] = ()) -> PydanticCustomError:
    """at: where in the value it is, if not the whole is meant."""
    return PydanticCustomError("misspelt", "{found}", {"found": found, "allowed": allowed, "remedy": remedy, "at": at})


def meant(word: str, candidates: Iterable[str]) -> str:
    """The candidate that the word most likely stands for, or ""."""
    if not word or len(word) > LONGEST_SHOWN:
        return ""
    import difflib  # only a file with a mistake pays for it

    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else ""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """`did you mean 'duration'?`, or "" if nothing is near."""
    candidate = meant(word, candidates)
    return f"did you mean {shown(candidate)}?" if candidate else ""


@dataclass(frozen=True)
class _OneOrMany:
    """Marks a list that may be written as its single item."""


@dataclass(frozen=True)
class _EachOnce:
    """Marks a list in which no value is twice."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """A check of the values, so that two spellings of one value are found."""
        return core_schema.no_info_after_validator_function(_each_once, handler(source))


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise _error(f"{shown(str(value))} is here twice", "each is listed once", "delete one", (index,))
    return values


Item = TypeVar("Item")
OneOrMany = Annotated[tuple[Item, ...], _OneOrMany()]
"""A list. A single item may be written without brackets."""

EachOnce = Annotated[tuple[Item, ...], _OneOrMany(), _EachOnce()]
"""A list in which no value is twice. A single item may be written without brackets."""


def is_one_or_many(mark: object) -> bool:
    """Whether this part of an annotation marks a OneOrMany."""
    return isinstance(mark, _OneOrMany)


def is_each_once(mark: object) -> bool:
    """Whether this part of an annotation marks an EachOnce."""
    return isinstance(mark, _EachOnce)
