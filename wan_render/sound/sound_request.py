"""A sound that is made from words: what was asked, as a value with a key."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

from wan_render.errors import Problem
from wan_render.keys import content_key

MADE_SOUND_FORM = "made-sound/1"
"""Tag and version of the way a request becomes a sound."""

PROMPT_SECONDS = Fraction(10)
"""How long a sound from a prompt is, if it has no `for`."""


@dataclass(frozen=True)
class SoundRequest:
    """Everything that decides a sound from words.

    kind:    `sound` for what a prompt describes, `speech` for a text that is said.
    maker:   `tool:NAME`, or `model:` and a digest of the model's files. A tool is known by its name alone.
    voice:   as the tool or model names it; "" for its own.
    seconds: of a sound from a prompt; None for speech, which is as long as it is.
    """

    kind: Literal["sound", "speech"]
    text: str
    maker: str
    voice: str
    seed: int
    seconds: Fraction | None

    @property
    def key(self) -> str:
        """The key under which the sound is kept."""
        return content_key(MADE_SOUND_FORM, self)

    @property
    def tool(self) -> str:
        """The tool's name; "" for a model."""
        return self.maker.removeprefix("tool:") if self.maker.startswith("tool:") else ""


def spoken_seconds(text: str) -> Fraction:
    """About how long it takes to say a text: 15 letters a second, but 5 characters of Chinese, Japanese or Korean."""
    slow = sum(character >= "\u2e80" for character in text)
    return max(Fraction(1, 2), Fraction(slow, 5) + Fraction(len(text) - slow, 15))


class MadeSounds(Protocol):
    """What a machine has of sounds from words."""

    def maker(self, kind: Literal["sound", "speech"], tool: str) -> str | Problem:
        """SoundRequest.maker for a tool's name, or for the machine's model if it is ""; or why there is none here."""

    def find(self, key: str) -> Path | None:
        """The file of a sound that was made; None if it is not made yet."""

    def hindrance(self, request: SoundRequest) -> Problem | None:
        """Why this machine can't make a sound that is not made yet; None if nothing is known against it."""


class _NoMadeSounds:
    """MadeSounds without a store and without models."""

    def maker(self, kind: Literal["sound", "speech"], tool: str) -> str | Problem:  # noqa: ARG002 - a MadeSounds
        """See MadeSounds."""
        return f"tool:{tool}" if tool else Problem("sounds from words", "no model is known")

    def find(self, key: str) -> Path | None:  # noqa: ARG002 - a MadeSounds
        """See MadeSounds."""
        return None

    def hindrance(self, request: SoundRequest) -> Problem | None:  # noqa: ARG002 - a MadeSounds
        """See MadeSounds."""
        return None


NO_MADE_SOUNDS: MadeSounds = _NoMadeSounds()
