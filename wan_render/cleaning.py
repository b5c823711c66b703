"""Cleaning of texts before they reach a model: once, when a film is planned, so that one text has one key.

The pipelines of diffusers clean a text before they encode it: ftfy, HTML entities twice, white space
(`prompt_clean` in `diffusers.pipelines.wan.pipeline_wan`). Two texts that differ only in what this removes give
the same clip. Planning cleans them in the same way, so they share one take.
"""

from __future__ import annotations

import re
from functools import lru_cache

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]")

_UNTOUCHED = (
    "!-%'-~"  # ASCII without `&`, which may begin an HTML entity
    "\u2013\u2014\u2026"  # dashes and the ellipsis
    "\u3001\u3002\u3008-\u3011"  # the punctuation of Chinese and Japanese
    "\u3041-\u3096\u30a1-\u30fc"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff"  # Han
    "\uac00-\ud7a3"  # Hangul syllables
    "\u0410-\u044f\u0401\u0451"  # Russian
)
"""Characters that cleaning never changes. A text of these alone skips ftfy: importing it takes longer than checking a
small storyboard."""

_PLAIN = re.compile(f"[{_UNTOUCHED}\uff0c ]*")

_CHINESE_COMMA = re.compile(r",(?! )(?<![0-9],(?=[0-9]))")

_NESTED_AMPERSAND = r"&(?:(?:amp|AMP|#0{0,9}38|#[xX]0{0,9}26);?){2,}"
"""`&amp;amp;lt;`: at any depth it becomes `&lt;` and then `<`. Unescaping it level by level could take hours."""

MOST_PASSES = 16
"""Cleaning is repeated until nothing changes. Most texts need one more pass."""


def has_han(text: str) -> bool:
    """Whether a text contains Chinese characters."""
    return _HAN.search(text) is not None


@lru_cache(maxsize=4096)
def cleaned(text: str) -> str:
    """The one spelling of a text in keys. Cleaning it again changes nothing.

    It differs from what the model reads (`as_read`) only in Chinese commas: in a Chinese text, `，` replaces every `,`
    that has no space after it and is not inside a number. Wan's own negative prompts are written like that, and keep
    the keys that they always had.
    """
    read = text.replace("，", ",") if _is_plain(text) else _fully_cleaned(text)
    return _CHINESE_COMMA.sub("，", read) if "," in read and has_han(read) else read


def _is_plain(text: str) -> bool:
    return "  " not in text and text == text.strip() and _PLAIN.fullmatch(text) is not None


def as_read(text: str) -> str:
    """The text that the model gets for a cleaned one: full-width commas become `,`."""
    return text.replace("，", ",")


def _fully_cleaned(text: str) -> str:
    import html  # imported late, like ftfy: most texts need neither

    import ftfy

    text = re.sub(_NESTED_AMPERSAND, "&amp;", text)
    for _ in range(MOST_PASSES):
        once = html.unescape(html.unescape(ftfy.fix_text(text)))
        once = re.sub(r"\s+", " ", once).strip()
        if once == text:
            break
        text = once
    return text
