"""Answers questions with a local language model, on a device of this machine, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wan_render.errors import DeviceError, WanRenderError, WeightsError
from wan_render.extension.language_model import (
    ForbiddenLanguageModelError,
    LanguageModelError,
    LostLanguageModelError,
    Question,
)
from wan_render.extension.local_model import NEW_TOKENS, ModelQuestion
from wan_render.farm.borrowed_device import BorrowedDevice
from wan_render.settings import MachineSettings

HANDLER = "wan_render.farm.process.question_handler:answers_of_models"


class DeviceAnswers(BorrowedDevice):
    """A LanguageModel. When it ends, its process does, so the film's models find the device empty."""

    def __init__(self, weights: Path, store: Path, settings: MachineSettings, tell: Callable[[str], None]) -> None:
        """weights: the model's folder. store: the outputs folder, for the log. tell: called with a sentence if all
        devices are held."""

        def in_use() -> None:
            tell("all devices are in use: the language model runs on the CPU, which takes long")

        super().__init__(store, settings, HANDLER, "prompts.log", in_use)
        self._weights = weights.absolute()

    @property
    def name(self) -> str:
        """See LanguageModel: the folder's name."""
        return self._weights.name

    def answer(self, question: Question) -> str:
        """See LanguageModel."""
        try:
            return str(self.attempt(ModelQuestion(self._weights, question, NEW_TOKENS), "a prompt"))
        except WeightsError as error:
            raise ForbiddenLanguageModelError(*error.problems) from error
        except DeviceError as error:
            raise LostLanguageModelError(*error.problems) from error
        except WanRenderError as error:
            raise LanguageModelError(*error.problems) from error
