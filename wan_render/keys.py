"""Content keys: a canonical form of one frozen value, hashed with a domain tag.

The tag names the kind of value and the version of its form (`take/1`). So equal bytes of two kinds never share a key,
and a new form never finds results of an earlier one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

ADDED_LATER: Mapping[str, Any] = {"added later": True}
"""Metadata of a field that was added to its class after values of the class had keys. A field with its default value is
left out of the canonical form, so those keys do not change."""


def content_key(tag: str, value: Any) -> str:
    """SHA-256 (64 hex digits) of `tag` and the canonical JSON of `value`."""
    form = json.dumps(canonical(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(f"{tag}\n{form}".encode()).hexdigest()


def canonical(value: Any) -> Any:
    """The JSON form of a frozen value: every field of a dataclass, fractions as `n/d`.

    Raises TypeError for anything without one obvious form (a path, a set, an object), so that nothing enters a key by
    accident.
    """
    if isinstance(value, Enum):
        return canonical(value.value)
    if value is None or isinstance(value, str | int):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: canonical(getattr(value, field.name)) for field in fields(value) if _counts(field, value)}
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, float):
        return _canonical_float(value)
    if isinstance(value, tuple | list):
        return [canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {_text_key(key): canonical(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _counts(field: Field[Any], value: Any) -> bool:
    return not (field.metadata == ADDED_LATER and getattr(value, field.name) == field.default)


def _canonical_float(value: float) -> float:
    if not math.isfinite(value):
        raise TypeError(f"{value} has no canonical form")
    return value + 0.0  # -0.0 and 0.0 are the same setting


def _text_key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a mapping with {type(key).__name__} keys has no canonical form")
    return key
