"""Texts that need quotes: reports where YAML cut the text, not where libyaml noticed it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wan_render.printable import shown
from wan_render.storyboard.slips import QUOTES
from wan_render.storyboard.source import Source

OR_BLOCK = "put the text in quotes, or write | after its key and the text below"


@dataclass(frozen=True)
class Slip:
    """A recognised mistake. index: its place in the text, in characters."""

    index: int
    found: str
    allowed: str = ""
    remedy: str = ""


def recognised(source: Source, index: int, problem: str) -> Slip | None:
    """The mistake behind libyaml's problem at a place; None if it is not recognised."""
    return next((slip for see in _RECOGNISERS if (slip := see(source, index, problem)) is not None), None)


_KEY = re.compile(r"\s*(?:- +)*[^\s#'\"][^#]*?: |\s*- ")
_KEY_LINE = re.compile(r"\s*(?:- +)*[\w-]+:(?:\s|$)")
_BROKEN_OFF = ("did not find expected key", "did not find expected '-' indicator", "could not find expected ':'")


def _ended_by_comment(source: Source, index: int, problem: str) -> Slip | None:
    """`through fog # and then`, with a text that continues on the next line."""
    if not problem.startswith((*_BROKEN_OFF, "did not find expected ','", "mapping values")):
        return None
    number = source.mark(index)[0]
    here = source.line(number)
    if _KEY_LINE.match(here):  # a key at a wrong indent
        return None
    for above in _lines_above(source, number):
        if (comment := _comment(above.text)) is None:
            return None
        if above.text[: comment.start()].strip():  # a text stands before it
            if _indent(here) <= _indent(above.text) and _KEY.match(above.text):
                return None
            found = f"{shown(comment[0].strip())} is a comment and ends the text before it"
            return Slip(above.begin + comment.start() + 1, found, "' #' begins a comment", OR_BLOCK)
    return None


def _after_closing(source: Source, index: int, problem: str) -> Slip | None:
    """`"STOP" says a sign`, `'the deer's head'`, `[a deer] walks`."""
    if not problem.startswith(("did not find expected key", "did not find expected '-'")):
        return None
    number, column = source.mark(index)
    match = re.search(r"(?:: +|- +)([\"'\[{])(.*)([\"'\]}])\s*$", source.line(number)[: column - 1])
    if match is None or {'"': '"', "'": "'", "[": "]", "{": "}"}[match[1]] != match[3]:
        return None
    found = f"text after the closing {match[3]}"
    if match[1] == "'":
        return Slip(index, found, "in '…' an apostrophe is written twice", 'put the whole text in double quotes: "…"')
    if match[1] == '"':
        return Slip(index, found, r'in "…" a quote is written \"', "put the whole text in single quotes: '…'")
    return Slip(index, found, f"a value that begins with {match[1]} ends with {match[3]}", QUOTES)


def _beside_block_sign(source: Source, index: int, problem: str) -> Slip | None:
    """`action: | a deer walks`."""
    if problem != "did not find expected comment or line break":
        return None
    line, column = source.mark(index)
    sign = re.search(r"[|>]", source.line(line)[: column - 1])
    found = f"text after {sign[0] if sign else '|'}"
    return Slip(index, found, "the text begins on the next line, indented", f"write it there, or {QUOTES}")


def _block_not_indented(source: Source, index: int, problem: str) -> Slip | None:
    """`action: |`, with a text below it that is indented no more than its key."""
    if not problem.startswith(_BROKEN_OFF):
        return None
    above = next(_lines_above(source, source.mark(index)[0]), None)
    if above is None or not re.search(r": *[|>][+-]?[1-9]?\s*$", above.text):
        return None
    return Slip(index, "a text that is not indented", "a text below | or > is indented more than its key", "indent it")


def _not_indented(_source: Source, index: int, problem: str) -> Slip | None:
    """A second line of a text that is indented no more than its key."""
    if problem != "could not find expected ':'":
        return None
    remedy = f"if it continues the line above, indent it more than its key, or {QUOTES}"
    return Slip(index, "a key without ': ' after it", "allowed: key: value", remedy)


_BEGINS = {
    "mapping keys are not allowed in this context": "a text that begins with '? '",
    "block sequence entries are not allowed in this context": "a '- ' where no list can begin",
    "found unknown directive name": "a line that begins with %",
}


def _begins_with_sign(source: Source, index: int, problem: str) -> Slip | None:
    """A text that begins with a YAML indicator: `? who`, `- a deer`, `%d`, `, and then`."""
    if problem == "did not find expected node content" and source.text[index : index + 1] == ",":
        return Slip(index, "a text that begins with ','", "", QUOTES)
    if problem == "found unexpected ':'":
        line, column = source.mark(index)
        is_key = re.search(r"[{,]\s*[\w-]+$", source.line(line)[: column - 1])
        is_empty = is_key and source.text[index + 1 : index + 2] in {",", "}"}
        found, allowed = "a ':' without a space after it", "allowed: key: value"
        return Slip(index, found, allowed, "write a value, or delete the key") if is_empty else None
    if problem not in _BEGINS:
        return None
    line, column = source.mark(index)
    if problem.startswith("block sequence") and ":" not in source.line(line)[: column - 1]:
        return None
    allowed = "a list begins on a line of its own" if problem.startswith("block sequence") else ""
    return Slip(index, _BEGINS[problem], allowed, QUOTES)


def _never_closed(_source: Source, index: int, problem: str) -> Slip | None:
    """`'tis the deer`, without a second apostrophe."""
    if problem != "found unexpected end of stream":
        return None
    remedy = "close it; put a text with an apostrophe in double quotes"
    return Slip(index, "a quote that is never closed", "", remedy)


_RECOGNISERS: tuple[Callable[[Source, int, str], Slip | None], ...] = (
    _ended_by_comment,
    _after_closing,
    _beside_block_sign,
    _block_not_indented,
    _not_indented,
    _begins_with_sign,
    _never_closed,
)


@dataclass(frozen=True)
class _Line:
    """A line and the place where it begins, in characters."""

    text: str
    begin: int


def _lines_above(source: Source, number: int) -> Iterator[_Line]:
    """The lines above one that are not blank, nearest first."""
    for above in range(number - 1, 0, -1):
        if (text := source.line(above)).strip():
            yield _Line(text, source.begin(above))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _comment(line: str) -> re.Match[str] | None:
    """The comment on a line, if it has one outside of quotes."""
    bare = re.sub(r'"[^"]*"|(?<![^\s\[{,:])\'[^\']*\'', lambda quoted: "x" * len(quoted[0]), line)
    match = re.search(r"(?:^|(?<=[ \t]))#.*", bare)
    return re.compile(r"\s#.*|^#.*").search(line, max(0, match.start() - 1)) if match else None
