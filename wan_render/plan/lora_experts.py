"""Which expert of a model with two a LoRA was made for, judged by its file name.

Pairs are named in many ways: `…_high_noise_…`, `HighNoise`, `-HIGH-rank64`, `i2vHighV30`, `_HN`, `-H-e8`, a folder
`high_noise/`, 高噪. Only whole words are matched: `slow`, `yellow`, `highway` and `lowpoly` mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import PurePosixPath

_APART = re.compile(r"[^0-9A-Za-z]+")
_WORD = re.compile(r"[A-Z]+(?=v\d)|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
"""A word in a name: `HIGH` (also in `HIGHv2`), `High` in `HighNoise`, `i` in `i2v`, or a number."""

_SHORT = {"highnoise": "high", "lownoise": "low", "hinoise": "high", "lonoise": "low", "hn": "high", "ln": "low"}
_PLAIN = {"high": "high", "low": "low"}
_BEFORE_NOISE = {**_PLAIN, "hi": "high", "lo": "low"}
_LETTERS = {"h": "high", "l": "low"}
_HAN = {"高噪": "high", "低噪": "low"}

_DESCRIBED = frozenset({
    "res", "resolution", "rez", "quality", "detail", "details", "detailed", "def", "definition", "poly", "key",
    "angle", "angles", "light", "lighting", "lit", "contrast", "speed", "motion", "movement", "dynamic", "dynamics",
    "rank", "fantasy", "school", "heels", "heel", "fashion", "end", "tech", "fps", "budget", "ra", "vram", "ram",
    "mem", "memory", "step", "steps", "fidelity", "frequency", "pass", "rise", "waist", "tide", "sun", "saturation",
    "exposure", "shutter", "cut", "neck", "rider", "fi", "cost", "cfg", "strength", "weight", "bit", "bits", "sky",
    "voltage", "society", "class", "level",
})  # fmt: skip
"""Nouns after which `high` and `low` describe a picture (`low_poly`, `high-res`, LowRA), not an expert."""

_NOT_ALONE = frozenset({"clip", "vit", "h264", "h265"})
"""Words that a single letter belongs to: `clip_l`, `ViT-H`."""


def expert_in_name(path: str) -> str:
    """`high` or `low`: by words in the file's name, else in the name of the nearest folder that has any, else by a
    single letter. "" if nothing indicates an expert."""
    return _by_words_of(path) or _by_letter_of(path)


def is_by_letter(path: str) -> bool:
    """Whether only a single `H` or `L` indicates the expert. It may as well be somebody's initial."""
    return not _by_words_of(path) and bool(_by_letter_of(path))


def _by_words_of(path: str) -> str:
    place = PurePosixPath(path)
    names = (place.stem, *(folder.name for folder in place.parents))
    return next(filter(None, (_said(name, _by_noise, _by_plain_words) for name in names)), "")


def _by_letter_of(path: str) -> str:
    place = PurePosixPath(path)
    return _said(place.stem, _by_letters) or _said(place.parent.name, _by_letters)


def _said(name: str, *ways: Callable[[str], Iterator[str]]) -> str:
    """The expert that a name indicates, by the clearest of `ways` that finds any; "" if it finds both experts."""
    for way in ways:
        if said := set(way(name)):
            return said.pop() if len(said) == 1 else ""
    return ""


def _words(name: str) -> list[str]:
    return [word.lower() for part in _APART.split(name) for word in _WORD.findall(part)]


def _by_noise(name: str) -> Iterator[str]:
    """`high noise` in one word or two, or its initials."""
    yield from (expert for han, expert in _HAN.items() if han in name)
    words = _words(name)
    yield from (_SHORT[word] for word in words if word in _SHORT)
    yield from (_BEFORE_NOISE[word] for word, after in pairwise(words) if word in _BEFORE_NOISE and after == "noise")


def _by_plain_words(name: str) -> Iterator[str]:
    """`high` or `low`, unless the next word makes it a description. In `HIGH-rank64` it does not: the number does."""
    words = [*_words(name), "", ""]
    for at, word in enumerate(words[:-2]):
        after, then = words[at + 1], words[at + 2]
        if word in _PLAIN and (after not in _DESCRIBED or (after in ("rank", "step", "steps") and then.isdigit())):
            yield _PLAIN[word]


def _by_letters(name: str) -> Iterator[str]:
    """A single `H` or `L` between separators."""
    parts = [part.lower() for part in _APART.split(name)]
    for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
        if part in _LETTERS and before not in _NOT_ALONE and after not in ("264", "265"):
            yield _LETTERS[part]
