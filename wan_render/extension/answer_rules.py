"""Whether a language model's answer may become a prompt: it is one text in the asked language, and drops no quoted
text, no name and no number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from wan_render.cleaning import cleaned
from wan_render.extension.number_words import has_number, numbers_in
from wan_render.extension.prompt_request import PromptRequest

MOST_CHARACTERS = {"zh": 600, "en": 1900}
"""About 512 tokens, which is all that the models read."""

LEAST_CHARACTERS = 4

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\A```\w*\n(.*?)\n?```\Z", re.DOTALL)
_LABEL = re.compile(
    r"\A(?:\W{0,2}(?:extended |rewritten |video )?prompt|(?:扩展|改写)?后?的?提示词)\W{0,2}[:：]\W{0,2}\s*",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\A(?:i['’]?m sorry|i am sorry|sorry\b|i can(?:no|['’])t|as an ai\b|unfortunately, i\b"
    r"|抱歉|对不起，?我|很遗憾，?我|作为(?:一个)?(?:ai|人工智能|语言模型))",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"""["“”„]([^"“”„]{1,300})["“”]|「([^」]{1,300})」|『([^』]{1,300})』|«([^»]{1,300})»"""
    r"""|(?<!\w)['‘]([^'‘’]{1,300})['’](?!\w)"""
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA_OR_HANGUL = re.compile(r"[\u3041-\u30fa\uac00-\ud7a3]")
_SENTENCE_END = re.compile(r"(?:[.!?:;,，。！？；：、]|\A)[\s\"“”'‘’(（]*\Z")
_ENGLISH = frozenset({"the", "and", "of", "with", "from", "its", "is", "are", "to", "into", "a", "as"})

_LEAST_SHARE = {"zh": 0.5, "en": 0.8}
_LONG_ENOUGH = 12


def answered_prompt(answer: str) -> str:
    """The prompt in an answer, cleaned: without thoughts, a fence, a label and quotes around all of it."""
    text = _THOUGHT.sub("", answer).strip()
    if (fenced := _FENCE.fullmatch(text)) is not None:
        text = fenced[1].strip()
    text = _LABEL.sub("", text, count=1)
    for opening, closing in ('""', "“”", "「」", "''"):
        inner = text[1:-1]
        if (
            text[:1] == opening
            and text[-1:] == closing
            and opening not in inner
            and closing not in inner
            and " " in inner
        ):
            text = inner
    return cleaned(text)


def refusals(prompt: str, request: PromptRequest) -> tuple[str, ...]:
    """Why a prompt is not used, each reason for a person and for the model; none if it is good."""
    if len(prompt) < LEAST_CHARACTERS:
        return ("it is empty",)
    if len(prompt) > (most := MOST_CHARACTERS[request.language]):
        return (f"it has {len(prompt)} characters; allowed: {most}",)
    if _REFUSAL.search(prompt):
        return (f"it is no prompt but a refusal: {prompt[:60]!r}",)
    if not _is_in_language(prompt, request):
        return (f"it is not in {'Chinese' if request.language == 'zh' else 'English'}",)
    return tuple(_dropped(prompt, request))


def _dropped(prompt: str, request: PromptRequest) -> Iterator[str]:
    kinds: tuple[tuple[str, list[str], Callable[[str, str], bool]], ...] = (
        ("the quoted text", quoted_texts(request.written), _has_text),
        ("the name", kept_names(request), _has_word),
    )
    said = _plain(prompt)
    for kind, wanted, is_in in kinds:
        lost = [text for text in wanted if not is_in(text, said)]
        if lost:
            yield f"it drops {kind} " + ", ".join(f'"{text}"' for text in lost)
    numbers = [number for number in numbers_in(_plain(request.written)) if not has_number(number, said)]
    if numbers:
        yield "it drops the number " + ", ".join(numbers)


def quoted_texts(text: str) -> list[str]:
    """The texts in quotes, each once."""
    found = (next(filter(None, match.groups())) for match in _QUOTED.finditer(text))
    return list(dict.fromkeys(each.strip() for each in found if each.strip()))


def kept_names(request: PromptRequest) -> list[str]:
    """The words that an answer has to keep as they are: those of `names`, and capitalised words within a sentence. If
    more than a third of the words are capitalised, as in titles and in German, capitals say nothing."""
    text = request.authored_text
    unquoted = _QUOTED.sub(" ", text)
    named = [name for name in request.names if _has_word(name, _plain(request.written))]
    named += _opening_name(request)
    words = list(_WORD.finditer(unquoted))
    capitals = [word for word in words if word[0][0].isupper() and not _SENTENCE_END.search(unquoted[: word.start()])]
    if 3 * len(capitals) <= len(words) or len(capitals) == 1:
        named += [re.sub(r"['’]s\Z", "", word[0]) for word in capitals if len(word[0]) > 1]
    return list(dict.fromkeys(named))


def _opening_name(request: PromptRequest) -> list[str]:
    """The capitalised word that begins the action, if the author begins all other texts with small letters."""
    others = [text[0] for text in (request.style, request.setting, request.before, request.after) if text[:1].isalpha()]
    first = _WORD.match(request.action)
    is_name = first is not None and first[0][0].isupper() and others and all(map(str.islower, others))
    return [re.sub(r"['’]s\Z", "", first[0])] if first is not None and is_name else []


def _is_in_language(prompt: str, request: PromptRequest) -> bool:
    """By script; for English also by its most frequent words, since other languages have its letters."""
    rest = _QUOTED.sub(" ", prompt)
    for name in kept_names(request):
        rest = rest.replace(name, " ")
    han, other = len(_HAN.findall(rest)), len(_KANA_OR_HANGUL.findall(rest))
    words = [word for word in _WORD.findall(rest) if not _HAN.search(word) and not _KANA_OR_HANGUL.search(word)]
    if request.language == "zh":
        return han > 0 and han / (han + len(words) + 3 * other) >= _LEAST_SHARE["zh"]
    latin = [word for word in words if word[0].isascii() or unicodedata.name(word[0], "").startswith("LATIN")]
    foreign = han + other + len(words) - len(latin)
    if not latin or len(latin) / (len(latin) + foreign) < _LEAST_SHARE["en"]:
        return False
    return len(latin) < _LONG_ENOUGH or len(_ENGLISH & {word.lower() for word in latin}) >= 2


def _plain(text: str) -> str:
    """For comparing: full-width letters and signs become plain, runs of space one."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _has_text(wanted: str, said: str) -> bool:
    return _plain(wanted).casefold() in said.casefold()


def _has_word(wanted: str, said: str) -> bool:
    """Whether a word is in a text; letters of its own script may not touch it, but Chinese may."""
    word = re.escape(_plain(wanted))
    if wanted[:1].isascii():
        word = rf"(?<![A-Za-z]){word}(?![A-Za-z])"
    return re.search(word, said, re.IGNORECASE) is not None
