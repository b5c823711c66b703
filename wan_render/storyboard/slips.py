"""Frequent slips in writing YAML: recognises them by the text at the place, and explains them."""

from __future__ import annotations

import re
from typing import Any

import yaml

from wan_render.errors import StoryboardError
from wan_render.storyboard.source import Source

QUOTES = 'put the text in quotes: "…"'
FULL_WIDTH = {
    "：": "'：' is a full-width colon: write ': '",
    "\u3000": "there is a full-width space: write a plain one",
    "\u00a0": "there is a no-break space: write a plain one",
    "，": "'，' is a full-width comma: write ', '",
    "［": "'［' is a full-width bracket: write '['",
    "］": "'］' is a full-width bracket: write ']'",
    "｛": "'｛' is a full-width brace: write '{'",
    "｝": "'｝' is a full-width brace: write '}'",
    "＃": "'＃' is a full-width number sign: write '#'",
    "“": "'“' is a typographic quote: write '\"'",
    "”": "'”' is a typographic quote: write '\"'",
    "„": "'„' is a typographic quote: write '\"'",
    "‘": "'‘' is a typographic quote: write \"'\"",
}
_OWN_LINE = "a list begins on a line of its own"
_WORDS = {
    "mapping values are not allowed in this context": ("a second ': ' in one value, or a wrongly indented key", ""),
    "did not find expected ',' or '}'": ("a map in { } that does not continue with ',' or end with '}'", ""),
    "did not find expected ',' or ']'": ("a list in [ ] that does not continue with ',' or end with ']'", ""),
    "could not find expected ':'": ("a key without ': ' after it", "allowed: key: value"),
    "did not find expected key": ("expected a key here", "the keys of one map begin in the same column"),
    "did not find expected '-' indicator": ("expected '- ' here", "a list's items begin in the same column"),
    "did not find expected node content": ("expected a value here", ""),
    "found unexpected end of stream": ("a quote that is never closed", ""),
    "found unexpected ':'": ("a ':' without a space after it", "allowed: key: value"),
    "found unknown escape character": ("an unknown escape in double quotes", r"allowed: \n \t \" \\ \u4e00"),
    "found invalid Unicode character escape code": ("an escape of no character", r"allowed: \u4e00, \U0001F600"),
    "did not find expected hexdecimal number": ("an escape that is cut off", r"allowed: \x41, \u4e00, \U0001F600"),
    "block sequence entries are not allowed in this context": ("a '- ' where no list can begin", _OWN_LINE),
    "did not find expected alphabetic or numeric character": ("'*' or '&' without a name", ""),
    "did not find expected <document start>": ("text after the end of the file's map, or a missing key", ""),
    "found incompatible YAML document": ("a YAML version other than 1.1 or 1.2", ""),
    "found a tab character that violates indentation": ("a tab", "YAML is indented with spaces"),
    "did not find expected whitespace or line break": ("a tag", "a storyboard has no YAML tags"),
}


_ESCAPES = {
    "found unknown escape character": r"write \\ for a backslash, or '…' around the text",
    "found invalid Unicode character escape code": "write the character itself",
    "did not find expected hexdecimal number": "write the character itself",
}
"""What to do about escapes that are none. The spelling of the last one is libyaml's."""

_INDENTED = ("did not find expected key", "did not find expected '-' indicator")


def syntax_error(source: Source, error: yaml.YAMLError) -> StoryboardError:
    """libyaml's error in the words of this format, with what was probably meant."""
    from wan_render.storyboard.unquoted import recognised  # late: only a file with a mistake pays for it

    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "is not YAML"
    if mark is None:
        return source.error(0, problem, "a storyboard is YAML")
    found, allowed = _WORDS.get(problem, (problem, ""))
    index = min(mark.index, len(source.text))
    if problem == "found character that cannot start any token":
        found, allowed = _bad_start(source.text[index : index + 1])
    remedy = _commented(source, error)
    slip = None if remedy else recognised(source, index, problem)
    if slip is not None and not (slip.index == index and _wide_nearby(source, index)):
        since = _since(source, error) if slip.index == index else ""
        return source.error(slip.index, slip.found + since, slip.allowed, slip.remedy)
    return source.error(index, found + _since(source, error), allowed, remedy or _remedy(source, index, problem))


def _bad_start(character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab", "YAML is indented with spaces"
    return f"a value that begins with {character!r}", ""


def _since(source: Source, error: Any) -> str:
    """Where an open quote or bracket begins, if that is on another line: that is usually where the mistake is."""
    begun = getattr(error, "context_mark", None)
    context = getattr(error, "context", None) or ""
    if begun is None or not any(word in context for word in ("flow", "quoted")):
        return ""
    line = source.mark(begun.index)[0]
    return f" (it begins on line {line})" if line != source.mark(error.problem_mark.index)[0] else ""


def _commented(source: Source, error: Any) -> str:
    """A hint at a '#' right before a word inside an open bracket: it made the rest of the line a comment."""
    begun = getattr(error, "context_mark", None)
    if begun is None or "flow" not in (getattr(error, "context", None) or ""):
        return ""
    bare = _outside_quotes(source.text[begun.index : error.problem_mark.index])
    match = re.search(r"[ \t](#[^\s#!][^\s,\]}]*)", bare)
    return f"{match[1]!r} and the rest of its line are a comment: {QUOTES}" if match else ""


def _remedy(source: Source, index: int, problem: str) -> str:
    line, column = source.mark(index)
    here = source.line(line)
    if "\t" in here[: len(here) - len(here.lstrip())] or source.text[index : index + 1] == "\t":
        return "write spaces instead of the tab"
    if problem in _ESCAPES:
        return _ESCAPES[problem]
    if hint := _wide_nearby(source, index):
        return hint
    if source.text[index : index + 1] == ":" or problem.startswith(
        ("mapping values", "found character", "did not find expected alpha")
    ):
        return QUOTES
    if problem in _INDENTED and not here[: column - 1].strip():
        return "line it up with its neighbours above"
    if re.search(r"[^\s\"'\[{,]\s*[\"'\[{]|: .*: ", here[:column]):
        return QUOTES
    return ""


def _wide_nearby(source: Source, index: int) -> str:
    """A hint at full-width characters of an input method on the line of a place, or on the line above."""
    line = source.mark(index)[0]
    return full_width(source.line(line)) or full_width(source.line(line - 1))


def full_width(line: str) -> str:
    """A hint at full-width characters of an input method in the YAML of a line, outside of quotes; "" without any."""
    bare = _outside_quotes(line)
    for character, hint in FULL_WIDTH.items():
        if character in bare:
            return hint
    return ""


def _outside_quotes(text: str) -> str:
    return re.sub(r'"[^"]*"|\'[^\']*\'', "", text)


def tight_colon(text: str) -> str:
    """A hint for `from:dawn`, which is one word in YAML; "" for other texts."""
    match = re.match(r"([a-z_0-9]+):([^\s/:].{0,30})", text)
    return f"write a space after a key's colon: {match[1]}: {match[2]}" if match else ""


def cut_by_comment(source: Source, end: int) -> str:
    """The rest of the line, if `#` right before a word cuts off a plain text: `take #2 of the deer`; else ""."""
    rest = source.text[end : end + 200].partition("\n")[0].rstrip("\r")
    match = re.match(r"[ \t]+(#[^\s#!].*)", rest)
    return match[1] if match else ""
