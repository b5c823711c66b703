"""Asks a language model for the extended prompts of a film, and keeps its answers beside the storyboard."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from wan_render.errors import InputError, Problem, WanRenderError
from wan_render.extension.answer_rules import answered_prompt, refusals
from wan_render.extension.instructions import instruction, shot_text
from wan_render.extension.language_model import (
    SHOWN_AREA,
    ForbiddenLanguageModelError,
    LanguageModel,
    LanguageModelError,
    LostLanguageModelError,
    Question,
)
from wan_render.extension.prompt_file import PromptEntry, PromptFile
from wan_render.plan import FilmPlan, PlannedPrompt
from wan_render.plates import conform
from wan_render.printable import shown
from wan_render.take import Plate

MOST_ANSWERS = 3
"""How often a shot is asked about, with what was wrong with the answer before."""

MOST_LOST = 2
"""After so many shots in a row without any answer, the others are not asked about: each would wait as long."""

JPEG_QUALITY = 90


@dataclass
class Asked:
    """How asking went. answered: names of prompts. failed: name → why there is no answer."""

    answered: list[str] = field(default_factory=list)
    failed: dict[str, WanRenderError] = field(default_factory=dict)


def prompts_to_ask(plan: FilmPlan, again: Collection[str] = (), *, stale: bool = False) -> tuple[PlannedPrompt, ...]:
    """The prompts to ask for: those without an answer. again: also these, by their names, whatever they are. stale:
    also those whose inputs changed, unless somebody edited them."""

    def is_asked(prompt: PlannedPrompt) -> bool:
        if prompt.found is None or prompt.name in again:
            return True
        return stale and bool(prompt.found.stale) and not prompt.found.entry.is_edited

    return tuple(filter(is_asked, plan.prompts))


def ask(plan: FilmPlan, prompts: Iterable[PlannedPrompt], model: LanguageModel, tell: Callable[[str], None]) -> Asked:
    """Ask for these prompts, one after the other; equal requests once. Every answer is written at once, so an
    interruption loses none. Raises DiskError and StoryboardError if they cannot be written."""
    asked, file = Asked(), PromptFile(plan.file)
    answers: dict[str, str] = {}
    lost = 0
    for prompt in prompts:
        if lost >= MOST_LOST or _is_forbidden(asked):
            asked.failed[prompt.name] = _not_tried(prompt, asked)
            continue
        try:
            if prompt.request.key not in answers:
                tell(f"asking {model.name} for the prompt of {prompt.name}")
                answers[prompt.request.key] = _answer(prompt, model, plan.pictures)
        except (LanguageModelError, InputError) as error:
            asked.failed[prompt.name] = error
            lost = lost + 1 if isinstance(error, LostLanguageModelError) else 0
            continue
        lost = 0
        _write(file, prompt, answers[prompt.request.key], model, tell)
        asked.answered.append(prompt.name)
    return asked


def _is_forbidden(asked: Asked) -> bool:
    return any(isinstance(error, ForbiddenLanguageModelError) for error in asked.failed.values())


def _not_tried(prompt: PlannedPrompt, asked: Asked) -> WanRenderError:
    last = list(asked.failed.values())[-1].problems[0]
    found = last.found if last.found.startswith("not asked: ") else f"not asked: {last.where} {last.found}"
    return LanguageModelError(Problem(prompt.name, found, "", last.remedy))


def _write(
    file: PromptFile, prompt: PlannedPrompt, answer: str, model: LanguageModel, tell: Callable[[str], None]
) -> None:
    request = prompt.request
    entry = PromptEntry(prompt.name, answer, answer, request.key, request.seen, model.name)
    edited = file.add(entry, prompt.own)
    if edited is not None:
        tell(f"warning: {prompt.name}: its prompt was changed meanwhile and stays; the answer is in `former`")


def _answer(prompt: PlannedPrompt, model: LanguageModel, files: Mapping[str, Path]) -> str:
    """A prompt that keeps to the rules. Raises LanguageModelError with what was wrong with the last answer, and
    PictureError."""
    request = prompt.request
    pictures = [_shown(plate, files) for plate in prompt.plates if plate is not None]
    wrong: tuple[str, ...] = ()
    text = ""
    for _ in range(MOST_ANSWERS):
        answer = model.answer(Question(instruction(request), shot_text(request, wrong), pictures))
        text = answered_prompt(answer)
        wrong = refusals(text, request)
        if not wrong:
            return text
    last = f"{'; '.join(wrong)}; the last was {shown(text)}"
    found = f"{model.name} gave no usable prompt in {MOST_ANSWERS} answers: {last}"
    remedy = "say in the storyboard what matters, or write the prompt yourself: `prompt`, with `extend: false`"
    raise LanguageModelError(Problem(prompt.name, found, "", remedy))


def _shown(plate: Plate, files: Mapping[str, Path]) -> bytes:
    """A keyframe as it is shown to a language model: fitted, small, as JPEG."""
    from PIL import Image  # planning needs none

    image = Image.fromarray(conform(files[plate.picture], plate))
    scale = min(1.0, (SHOWN_AREA / (image.width * image.height)) ** 0.5)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
