"""What extends prompts: a service or a local model, asked one question at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wan_render.errors import MachineError

SHOWN_AREA = 512 * 512
"""Pixels of a picture that a language model is shown."""


@dataclass(frozen=True)
class Question:
    """One question. instruction: the system prompt. pictures: JPEG files, the first frame before the last."""

    instruction: str
    text: str
    pictures: Sequence[bytes] = ()


class LanguageModel(Protocol):
    """Answers questions. name: for the record of its answers."""

    @property
    def name(self) -> str:
        """`qwen-vl-max`."""

    def answer(self, question: Question) -> str:
        """The text of its answer, as it came. Raises LanguageModelError."""


class LanguageModelError(MachineError):
    """A language model gave no answer to this question."""


class LostLanguageModelError(LanguageModelError):
    """The service cannot be reached, does not answer in time, or is busy: the next question may do no better."""

    worth_retrying = True


class ForbiddenLanguageModelError(LanguageModelError):
    """The service refuses every question: the key, the model or the address is wrong."""
