"""The form of the file: which values are allowed where, derived from the types of `authored`.

The reader follows it, and the JSON Schema is made from it.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from wan_render.authored import Authored, Storyboard
from wan_render.authored.spelling import Spelling, is_each_once, is_one_or_many


@dataclass(frozen=True)
class Scalar:
    """A text, a number, a choice, a time, …"""

    spelling: Spelling


@dataclass(frozen=True)
class Many:
    """A list. single: a single item may be written without brackets. length: how many items there must be; 0 for any
    number. distinct: no value is twice."""

    item: Form
    single: bool
    length: int = 0
    distinct: bool = False


@dataclass(frozen=True)
class Table:
    """A map from the author's names to values."""

    value: Form


@dataclass(frozen=True)
class Record:
    """A map of known keys, as the file spells them. `shorthand`: the key that a bare text stands for, or ""."""

    model: type[Authored]

    @property
    def shorthand(self) -> str:
        """The key that a bare text stands for, or ""."""
        return self.model.shorthand

    @property
    def fields(self) -> dict[str, Form]:
        """The form of every key."""
        return _fields(self.model)


Form = Scalar | Many | Table | Record


@cache
def _fields(model: type[Authored]) -> dict[str, Form]:
    return {info.alias or name: _of_field(info) for name, info in model.model_fields.items()}


def _of_field(info: FieldInfo) -> Form:
    return _form(info.annotation, tuple(info.metadata))


def _form(annotation: Any, marks: tuple[Any, ...]) -> Form:
    """The form of an annotation and what it is marked with."""
    for mark in marks:
        if isinstance(mark, Spelling):
            return Scalar(mark)
    if hasattr(annotation, "__metadata__"):
        return _form(annotation.__origin__, (*annotation.__metadata__, *marks))
    if get_origin(annotation) in (Union, types.UnionType):
        return _form(next(part for part in get_args(annotation) if part is not types.NoneType), marks)
    if get_origin(annotation) is tuple:
        return _list(get_args(annotation), marks)
    if get_origin(annotation) is dict:
        return Table(_form(get_args(annotation)[1], ()))
    return Record(annotation)


def _list(items: tuple[Any, ...], marks: tuple[Any, ...]) -> Many:
    single, distinct = (any(map(has_it, marks)) for has_it in (is_one_or_many, is_each_once))
    return Many(_form(items[0], ()), single, 0 if items[-1] is Ellipsis else len(items), distinct)


STORYBOARD = Record(Storyboard)
