"""What a language model sees when it extends a prompt, as a value with a key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from wan_render.keys import canonical, content_key

PROMPT_FORM = "extended-prompt/1"
"""Tag and version of what a language model is told. With another one, every answer is stale."""

PromptLanguage = Literal["zh", "en"]


@dataclass(frozen=True)
class SeenPicture:
    """A keyframe as the model sees it.

    picture:    the SHA-256 of its file; "" for one that is painted later.
    fit, focus: how the file is fitted, as in take.Plate. shape: quarters of width per height: 7 for 16:9.
    words:      what it will be painted from, instead of a file.
    """

    picture: str
    fit: str = "cover"
    focus: tuple[Fraction, Fraction] = (Fraction(1, 2), Fraction(1, 2))
    shape: int = 7
    words: str = ""


@dataclass(frozen=True)
class PromptRequest:
    """Everything that a language model sees of a shot, or of one segment of it. All texts are cleaned.

    language: of the answer. written: the prompt without an extension. action: what happens; "" if nothing was written.
    style, setting: the look. camera: size, angle, lens and move, spelt out. whole: whether `written` is a prompt that
    was written as a whole, not composed. before, after: the actions of the neighbouring shots. names: words that the
    answer keeps if `written` has them.
    """

    kind: Literal["t2v", "i2v", "flf2v"]
    language: PromptLanguage
    written: str
    action: str
    style: str = ""
    setting: str = ""
    camera: str = ""
    whole: bool = False
    before: str = ""
    after: str = ""
    names: tuple[str, ...] = ()
    first: SeenPicture | None = None
    last: SeenPicture | None = None

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything that the model sees."""
        return content_key(PROMPT_FORM, self)

    @property
    def seen(self) -> dict[str, Any]:
        """The request as JSON, for the file of answers."""
        form: dict[str, Any] = canonical(self)
        return form

    @property
    def authored_text(self) -> str:
        """The author's own words, without the spelt-out terms of the camera."""
        return self.written if self.whole else ". ".join(filter(None, (self.style, self.action, self.setting)))

    @property
    def has_pictures(self) -> bool:
        """Whether it shows a keyframe, or words for one."""
        return self.first is not None or self.last is not None


_WORDS = {
    "kind": "kind of shot", "language": "language", "written": "prompt", "action": "action", "style": "style",
    "setting": "setting", "camera": "camera", "whole": "prompt", "before": "action of the shot before",
    "after": "action of the shot after", "names": "names", "first": "first keyframe", "last": "last keyframe",
}  # fmt: skip


def changed_inputs(seen: Mapping[str, Any], request: PromptRequest) -> str:
    """What changed since an answer was given: `action, last keyframe`. seen: as PromptRequest.seen was then."""
    return ", ".join(dict.fromkeys(_changed(seen, request.seen))) or "instruction"


def _changed(seen: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    parts = [name for name in now if name != "written" and seen.get(name) != now[name]]
    if not parts and seen.get("written") != now["written"]:
        parts = ["written"]
    yield from (_WORDS[name] for name in parts)
