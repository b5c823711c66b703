"""Numbers in prompts: in digits, in English words, in Chinese characters. Three boats are 三艘船."""

from __future__ import annotations

import re

_DIGITS = "零一二三四五六七八九"
_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_ENGLISH = {word: at for at, word in enumerate(_SMALL)} | {word: 10 * (at + 2) for at, word in enumerate(_TENS)}
_NOT_COUNTED = frozenset({"zero", "one"})
"""`one` is a pronoun more often than a number."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,:]\d+)*|\d+(?:[.,:]\d+)*")
_WORDS = re.compile(r"\b(?:" + "|".join(word for word in _ENGLISH if word not in _NOT_COUNTED) + r")\b", re.IGNORECASE)
_COUNTED = re.compile(r"([两二三四五六七八九十]+)(?=[个只条艘匹头位名辆座张棵朵颗架岁秒分层])")

_CHINESE = re.compile(f"[{_DIGITS}两十]+")

_MORE_FORMS = {
    2: ("双", "一对", "both", "pair", "couple", "twice"),
    3: ("trio", "thrice"),
    12: ("dozen", "一打"),
}


def numbers_in(text: str) -> list[str]:
    """The numbers of a text as written, each once: `35`, `2.5`, `three`, `三`."""
    return list(dict.fromkeys([*_NUMBER.findall(text), *_WORDS.findall(text), *_COUNTED.findall(text)]))


def has_number(number: str, said: str) -> bool:
    """Whether a text has a number, in digits or in words."""
    plain = number.replace(",", "")
    digits = [found.replace(",", "") for found in _NUMBER.findall(said)]
    if plain in digits:
        return True
    value = _value(plain)
    if value is None:
        return False
    spelt = (*digits, *_WORDS.findall(said), *_CHINESE.findall(said))
    return any(_value(each) == value for each in spelt) or _has_word_for(value, said)


def _has_word_for(value: int, said: str) -> bool:
    words = (_english(value), *_MORE_FORMS.get(value, ()))
    return any(re.search(rf"\b{word}\b" if word.isascii() else word, said, re.IGNORECASE) for word in words if word)


def _value(number: str) -> int | None:
    if number.isascii() and number.isdigit():
        return int(number) if len(number) <= 6 else None
    if number.lower() in _ENGLISH:
        return _ENGLISH[number.lower()]
    return _of_chinese(number)


def _of_chinese(number: str) -> int | None:
    """The value of 三, 十二, 三十 or 三十五."""
    number = number.replace("两", "二")
    tens, ten, ones = number.rpartition("十")
    if any(part not in ("", *_DIGITS) for part in (tens, ones)) or not number:
        return None
    if not ten:
        return _DIGITS.index(ones)
    return 10 * (_DIGITS.index(tens) if tens else 1) + (_DIGITS.index(ones) if ones else 0)


def _english(value: int) -> str:
    """`thirty-five` for 35; "" from 100 on."""
    if value >= 100:
        return ""
    if value < len(_SMALL):
        return _SMALL[value]
    tens, ones = divmod(value, 10)
    return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")
