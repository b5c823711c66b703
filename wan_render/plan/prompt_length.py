"""How much of a prompt a model reads: its text encoder has a token limit, and what follows is lost.

If the model's own tokenizer is on this machine, it determines the lost words (`Models.reading`). Otherwise they are
estimated by script.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from math import ceil

from wan_render.authored import PathInFile
from wan_render.cleaning import as_read
from wan_render.model_card import ModelCard, Models
from wan_render.plan.findings import Findings
from wan_render.printable import LONGEST_SHOWN, shown
from wan_render.take import Take

_TOKENS_OF = (
    ("[A-Za-z]", 0.29),
    (r"\s", 0.1),
    ("[!-~]", 1.0),  # digits and signs of ASCII
    ("[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]", 1.0),  # Latin letters with marks
    ("[\u0370-\u03ff\u1f00-\u1fff]", 0.42),  # Greek
    ("[\u0400-\u052f]", 0.38),  # Cyrillic
    ("[\u0530-\u058f\u10a0-\u10ff]", 0.45),  # Armenian, Georgian
    ("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]", 0.5),  # Hebrew, Arabic
    ("[\u0a00-\u0a7f\u0b00-\u0b7f]", 0.9),  # Gurmukhi, Odia
    ("[\u0900-\u0dff]", 0.6),  # Devanagari and the other scripts of India
    ("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]", 0.4),  # Thai, Lao, Burmese, Khmer
    ("[\u0f00-\u0fff]", 1.0),  # Tibetan
    ("[\u1200-\u139f]", 0.85),  # Ethiopic
    ("[\u3040-\u30ff]", 0.65),  # kana
    ("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff]", 0.9),  # Hangul
    ("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]", 0.8),  # Han
    ("[\u2000-\u206f\u3000-\u303f\uff00-\uffef\ufe00-\ufe0f]", 1.0),  # punctuation, joiners
    ("[\u2600-\u27bf\U0001f000-\U0001faff]", 2.0),  # emoji
)
"""Tokens per character, by script. The first line that matches counts.

Derived from mT5, whose vocabulary is like UMT5's: SentencePiece, 250,000 pieces, from the same corpus (mC4). Petrov et
al., "Language Model Tokenizers Introduce Unfairness Between Languages" (NeurIPS 2023), publish how many tokens it makes
of the 2,009 sentences of FLORES-200 in each language, and how many characters they have. Tokens per character, spaces
and punctuation included: English 0.254, French 0.298, Vietnamese 0.471, Russian 0.295, Belarusian 0.356, Greek 0.349,
Georgian 0.358, Arabic 0.387, Hebrew 0.398, Hindi 0.405, Bengali 0.408, Punjabi 0.528, Odia 0.770, Thai 0.261,
Lao 0.324, Tibetan 0.830, Amharic 0.652, Japanese 0.522, Korean 0.639, Chinese 0.688 (traditional 0.788). The numbers
here are a tenth to a quarter higher, for Thai a half: an unnecessary warning is better than words lost without one.
"""


@dataclass(frozen=True)
class LostWords:
    """The end of a text that is lost.

    tokens: those of the whole text. lost: its end. is_exact: whether the model's own tokenizer counted.
    """

    tokens: int
    lost: str
    is_exact: bool

    @property
    def in_words(self) -> str:
        """`has about 690 tokens, and about its last 120 words are lost, from 'and then …' on`."""
        about = "" if self.is_exact else "about "
        begin = f"has {about}{self.tokens} tokens, and "
        if self.is_exact and len(self.lost) <= LONGEST_SHOWN:
            return f"{begin}{shown(self.lost)} is lost"
        return f"{begin}{about}its last {_amount(self.lost)} are lost, from {shown(self.lost)} on"


def _amount(text: str) -> str:
    """The amount in words, or in characters if the script has no spaces between words."""
    words = text.split()
    return f"{len(words)} words" if len(text) < 15 * len(words) else f"{len(text)} characters"


@dataclass(frozen=True)
class PromptLengths:
    """The lost ends of the texts of one film. Each text is examined once for each model."""

    models: Models
    findings: Findings
    _found: dict[tuple[str, str], LostWords | None] = field(default_factory=dict)
    _warned: set[tuple[str, str]] = field(default_factory=set)

    def lost(self, card: ModelCard, text: str) -> LostWords | None:
        """The part of a text that the model does not read; None if it reads all of it."""
        known = (card.identity, text)
        if known not in self._found:
            self._found[known] = self._lost(card, as_read(text))
        return self._found[known]

    def warn(self, card: ModelCard, name: str, text: str, place: PathInFile) -> None:
        """Warn if the end of a text is lost, once for all shots with this text. name: of the text, for the message."""
        lost = self.lost(card, text)
        if lost is not None and (card.identity, text) not in self._warned:
            self._warned.add((card.identity, text))
            allowed = f"{card.name} reads the first {card.prompt_tokens}"
            self.findings.warn(place, f"the {name} {lost.in_words}", allowed, "say it in fewer words")

    def remark(self, card: ModelCard, take: Take) -> None:
        """Add remarks to a take: which ends of its texts the model does not read."""
        for name, text in _texts(take):
            if (lost := self.lost(card, text)) is not None:
                about = "" if lost.is_exact else "about "
                of = f"{card.prompt_tokens} of the {name}'s {about}{lost.tokens} tokens"
                self.findings.remark(take.key, f"the model reads {of}; lost is {about}this: {lost.lost}")

    def _lost(self, card: ModelCard, text: str) -> LostWords | None:
        limit = card.prompt_tokens
        if len(text.encode()) < limit:  # a tokenizer makes at most one token of a byte
            return None
        own = self.models.reading(card, text)
        if own is not None:
            return LostWords(own.tokens, own.lost, is_exact=True) if own.lost else None
        tokens = about_tokens(text)
        return LostWords(tokens, _about_lost(text, limit), is_exact=False) if tokens > limit else None


def _texts(take: Take) -> Iterable[tuple[str, str]]:
    prompts = dict.fromkeys([*(leg.prompt for leg in take.through), take.prompt])
    return (*(("prompt", prompt) for prompt in prompts), ("negative prompt", take.negative))


def about_tokens(text: str) -> int:
    """About how many tokens a text has for UMT5, including the end-of-text token; rather too many than too few."""
    return ceil(sum(_tokens(character) * times for character, times in Counter(text).items())) + 1


def _about_lost(text: str, limit: int) -> str:
    """The end of a text that is beyond the limit."""
    reached = accumulate(map(_tokens, text))
    beyond = (at for at, tokens in enumerate(reached) if tokens > limit - 1)
    return from_word(text, next(beyond, len(text) - 1))  # sums of floats may differ in their last bit


def from_word(text: str, at: int) -> str:
    """A text from character `at` on, or from the beginning of the word around it."""
    is_within = not text[at - 1 : at + 1].count(" ")
    begin = text.rfind(" ", 0, at) + 1 if is_within else at
    return text[begin if at - begin <= LONGEST_SHOWN // 2 else at :].strip()


@lru_cache(maxsize=4096)
def _tokens(character: str) -> float:
    """The tokens of one character. In an unlisted script, each byte counts as a token."""
    known = (tokens for kind, tokens in _TOKENS_OF if re.match(kind, character))  # compiled late: few texts need it
    return next(known, float(len(character.encode())))
