"""Warns about prompt syntax of other tools: here, a model reads it as words.

Only forms that do not occur in prose are reported: `(deer:1.4)`, but not `(a deer)`, `3:4`, `[sic]` or Chinese
brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from wan_render.authored import Authored, PathInFile, Shot, Storyboard
from wan_render.plan.findings import Findings
from wan_render.plan.roles import ShotRole, role_of
from wan_render.printable import shown

_TEXTS = frozenset({"style", "setting", "avoid", "action", "prompt", "size", "angle", "lens", "move", "negative"})
"""The keys whose texts reach a model."""

_SUSPECT = re.compile(r"[<({\[@“„]|__|--|::|BREAK|AND|embedding:")
"""A text without any of these contains no such syntax."""


_Sign = tuple[str, Callable[[re.Match[str]], str]]
"""Another tool's syntax as a pattern (compiled only for suspect texts, since few are), and what to write here instead,
made from the match."""


def _say(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _found: text


def _lora(found: re.Match[str]) -> str:
    scale = f", scale: {found[2]}" if found[2] else ""
    return f"write render: {{loras: {{path: {found[1]}.safetensors{scale}}}}}"


def _option(found: re.Match[str]) -> str:
    name, value = found[1], found[2] or "…"
    own = {
        "ar": f"film: {{aspect: '{value}'}}", "aspect": f"film: {{aspect: '{value}'}}", "no": "look: {avoid: …}",
        "neg": "look: {avoid: …}", "seed": f"render: {{seed: {value}}}", "style": "look: {style: …}",
        "stylize": "look: {style: …}", "fps": f"film: {{rate: {value}}}", "dur": f"duration: {value}s",
        "steps": f"render: {{flf2v: {{steps: {value}}}}}", "cfg": f"render: {{flf2v: {{guidance: {value}}}}}",
    }.get(name)  # fmt: skip
    return f"write {own}" if own else "delete it"


_WEIGHTS = "say it in words: weights and schedules have no effect here"
_OPTIONS = (
    "ar aspect no neg seed style stylize chaos quality iw niji tile weird stop repeat cref sref cw sw motion raw video"
    " fps dur steps cfg rf rs wt hd ratio resolution duration camerafixed"
)
_SIGNS: tuple[_Sign, ...] = (
    (r"\A[“„][^“”„]*[”“]\Z", _say('its quotes are part of the text: leave them out, or write "…"')),
    (r"<(?:lora|lyco|hypernet):([^:<>]+?)(?::(-?[\d.]+))?(?::[^<>]*)?>", _lora),
    (r"<<<?\w+>?>>", _say("name keyframes in from, to and through")),
    (
        r"[(\[](?=[^()\[\]:]{0,80}[^\W\d])[^()\[\]:]+:-?(?:[0-2](?:\.\d{1,4})?|\.\d{1,4})[)\]]",
        _say(_WEIGHTS),
    ),
    (
        r"\[[^\[\]:]+:[^\[\]:]*:\s?\d{0,4}\.?\d{1,4}\]",
        _say("make two shots, or pass a keyframe with through"),
    ),
    (r"\[[^\[\]|]+\|[^\[\]]+\]|\{[^{}|]*\|[^{}]*\}", _say("write one of them, in a shot of its own")),
    (r"\{\{[^{}]+\}\}|\(\([^()]+\)\)|\[\[[^\[\]]+\]\]", _say(_WEIGHTS)),
    (r"(?<!\w)__[^\W_][\w*/-]*__(?!\w)", _say("write the word itself")),
    (r"\bembedding:[\w.-]+", _say("say it in words, or use a LoRA: render: {loras: …}")),
    (r"(?<![\w\"'“])(?:BREAK|AND)(?![\w\"'”])", _say("delete it: the text is read as one")),
    (rf"(?<!\S)--({_OPTIONS.replace(' ', '|')}|(?:v|s|c|q|w|h)(?= +\d))\b(?:[ =]+([\w.:/]+))?", _option),
    (r"\w::-?[\d.]{1,9}(?!\w)", _say(_WEIGHTS)),
    (
        r"(?i)(?<![\w.])@(?:image|img|video|ref|reference|character|char|element|subject|start|end|first|last)"
        r"(?:[_ -]?frame)?[_-]?\d*\b",
        _say("name keyframes in from, to and through"),
    ),
    (
        r"(?i)\[(?:truck|pan|push|pull|pedestal|tilt|zoom|shake|tracking|static)\b[\w ,]*\]",
        _say("write move: pan left, or say it in words"),
    ),
)


def warn_of_other_syntax(storyboard: Storyboard, findings: Findings) -> None:
    """Warn about other tools' syntax in every text that reaches a model, each kind once per text."""
    for place, text in _texts(storyboard, ()):
        if _SUSPECT.search(text) is None:
            continue
        for pattern, instead in _SIGNS:
            if (found := re.search(pattern, text)) is not None and not _is_shouted(found, text):
                findings.warn(place, f"{shown(found[0])} is read as words here", "", instead(found))


def _is_shouted(found: re.Match[str], text: str) -> bool:
    """Whether it is BREAK or AND in a text that is all capitals."""
    return found[0].isalpha() and text.upper() == text


def _is_rendered(shot: Shot) -> bool:
    return shot.status != "omit" and role_of(shot) is ShotRole.RENDER


def _texts(value: Any, place: PathInFile) -> Iterator[tuple[PathInFile, str]]:
    """Every text below a place that reaches a model. Visits only values that were written."""
    if isinstance(value, Authored):
        if isinstance(value, Shot) and not _is_rendered(value):
            return
        infos = type(value).model_fields
        for name in value.model_fields_set:
            inner = getattr(value, name)
            key = infos[name].alias or name
            if key in _TEXTS and isinstance(inner, str):
                yield (*place, key), inner
            elif not isinstance(inner, str) or key == "avoid":
                yield from _texts(inner, (*place, key))
    elif isinstance(value, tuple | dict):
        for at, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, str):
                yield (*place, at), item
            else:
                yield from _texts(item, (*place, at))
