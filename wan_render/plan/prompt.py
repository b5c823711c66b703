"""The texts that reach the model: the prompt and the negative prompt, cleaned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from wan_render.authored import Shot
from wan_render.cleaning import cleaned, has_han
from wan_render.plan.inherit import Inherited
from wan_render.plan.terms import ANGLES, LENSES, MOVES, SIZES, Term

_COMMA = re.compile("[,，、]")
_ENDS = " \t\n，。．、；,.;"

CHINESE_COMMA = "，"
ENGLISH_COMMA = ", "


def prompt(inherited: Inherited, leg: str | None = None) -> str:
    """The prompt as written, or composed of style, action, setting, size, angle, lens and move.

    leg: the action of one segment, if it has its own.
    """
    shot = inherited.shot
    if shot.prompt and not leg:
        return cleaned(shot.prompt)
    action = cleaned(leg or shot.action or "")
    chinese = has_han(action)
    look = (inherited.look("style"), action, inherited.look("setting"))
    parts = (*look, *_camera(shot, chinese=chinese))
    return cleaned(_joined(map(cleaned, parts), CHINESE_COMMA if chinese else ENGLISH_COMMA))


def camera_words(inherited: Inherited, *, chinese: bool) -> str:
    """Size, angle, lens and move of a shot, as a prompt spells them; "" without any."""
    words = map(cleaned, _camera(inherited.shot, chinese=chinese))
    return cleaned(_joined(words, CHINESE_COMMA if chinese else ENGLISH_COMMA))


def _camera(shot: Shot, *, chinese: bool) -> tuple[str, ...]:
    return (
        _spelt(shot.size, {**ANGLES, **SIZES}, chinese=chinese),
        _spelt(shot.angle, {**SIZES, **ANGLES}, chinese=chinese),
        _spelt(shot.lens, LENSES, chinese=chinese),
        _spelt(shot.move, MOVES, chinese=chinese),
    )


def bridge_prompt(before: Inherited, after: Inherited) -> str:
    """The prompt of a bridge: that of the shot before it, with the actions of both shots. Prompts that are written
    whole are joined."""
    one, other = prompt(before), prompt(after)
    if one == other:
        return one
    comma = CHINESE_COMMA if has_han(one + other) else ENGLISH_COMMA
    if before.shot.prompt or after.shot.prompt:
        return cleaned(_joined((one, other), comma))
    actions = dict.fromkeys(cleaned(shot.action or "") for shot in (before.shot, after.shot))
    return prompt(before, _joined(actions, comma))


def negative(written: str | None, official: str, avoid: tuple[str, ...]) -> str:
    """The negative prompt: the model's official one (also if "" clears another), none, or a text; then `avoid`."""
    text = cleaned(written or "")
    base = {"official": official, "none": "", "": official}.get(text.lower(), text)
    words = _joined((base, *map(cleaned, avoid)), CHINESE_COMMA if has_han(base) else ENGLISH_COMMA)
    return cleaned(words if avoid else base)


def _spelt(written: str | None, table: Mapping[str, Term], *, chinese: bool) -> str:
    """A list of terms like `crane down, underwater`, with known terms spelt out."""
    terms = (term.strip() for term in _COMMA.split(written or ""))
    return _joined((_term(term, table, chinese=chinese) for term in terms), CHINESE_COMMA if chinese else ENGLISH_COMMA)


def _term(written: str, table: Mapping[str, Term], *, chinese: bool) -> str:
    term = table.get(" ".join(written.lower().split()))
    if term is None:
        return written
    return term.chinese if chinese else term.english


def _joined(parts: Iterable[str], comma: str) -> str:
    """The parts that are not empty, joined. Full stops before a comma are dropped."""
    said = [part.strip() for part in parts if part.strip()]
    return comma.join([part.rstrip(_ENDS) for part in said[:-1]] + said[-1:])
