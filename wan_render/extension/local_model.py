"""A local Qwen2.5-VL that extends prompts, from a folder of weights in the layout of transformers.

torch and transformers are imported when the model is loaded. Its video processor, which needs torchvision, is not used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from wan_render.errors import Problem, WeightsError
from wan_render.extension.language_model import Question
from wan_render.settings import install_command

KIND = "qwen2_5_vl"

LEAST_PIXELS, MOST_PIXELS = 256 * 28 * 28, 1280 * 28 * 28
"""Of a picture, as in Wan's own extension (`wan/utils/prompt_extend.py`)."""

NEW_TOKENS = 512

PICTURE = "<|image_pad|>"


@dataclass(frozen=True)
class ModelQuestion:
    """What a process needs to answer one question with a model. weights: their folder. most_tokens: of the answer."""

    weights: Path
    question: Question
    most_tokens: int


def require_vision_model(folder: Path) -> None:
    """Raise WeightsError if a folder is not one of Qwen2.5-VL's weights."""
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        found = "is not a model of transformers: config.json cannot be read"
        raise WeightsError(Problem(str(folder), found, "a folder of weights")) from error
    if kind != KIND:
        raise WeightsError(Problem(str(folder), f"is for {kind}", f"supported: {KIND} (Qwen2.5-VL)"))


class LocalVisionModel:
    """A model that is loaded."""

    def __init__(self, folder: Path, device: str) -> None:
        """device: `cuda` or `cpu`, as torch names them in a process that sees only one GPU.

        Raises WeightsError if the weights cannot be loaded, or torch and transformers are not installed.
        """
        require_vision_model(folder)
        try:
            import torch
            from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration
            from transformers.models.qwen2_vl import Qwen2VLImageProcessorPil
        except ImportError as error:
            found = f"{error.name} is not installed"
            raise WeightsError(Problem("extended prompts", found, "", install_command("wan"))) from error
        self._torch: Any = torch
        self._device = device
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._processor: Any = Qwen2VLImageProcessorPil.from_pretrained(
                folder, min_pixels=LEAST_PIXELS, max_pixels=MOST_PIXELS, local_files_only=True
            )
            loaded: Any = Qwen2_5_VLForConditionalGeneration.from_pretrained(
                folder, dtype=torch.bfloat16, use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            found = f"cannot be loaded: {error}"
            raise WeightsError(Problem(str(folder), found, "safetensors, complete", "download it again")) from error
        self._model: Any = loaded.to(device).eval()

    def answer(
        self, question: Question, most_tokens: int = NEW_TOKENS, progress: Callable[[int], None] = lambda _: None
    ) -> str:
        """The likeliest answer: the same each time on the same device. It ends after `most_tokens` at the latest.
        progress: called with the number of tokens made so far."""
        inputs = self._inputs(question)
        made = inputs["input_ids"].shape[1]

        def hear(tokens: Any, _scores: Any, **_: Any) -> Any:
            progress(int(tokens.shape[1]) - made)
            return self._torch.zeros(tokens.shape[0], dtype=self._torch.bool, device=tokens.device)

        with self._torch.inference_mode():
            tokens = self._model.generate(
                **inputs, max_new_tokens=most_tokens, do_sample=False, stopping_criteria=[hear]
            )
        return str(self._tokenizer.decode(tokens[0, made:], skip_special_tokens=True))

    def _inputs(self, question: Question) -> dict[str, Any]:
        pictures = _pictures(question.pictures)
        seen = self._processor(images=pictures, return_tensors="pt") if pictures else {}
        merged = self._processor.merge_size**2
        text = _chat(question, [int(grid.prod()) // merged for grid in seen.get("image_grid_thw", ())])
        inputs = dict(self._tokenizer(text, return_tensors="pt")) | dict(seen)
        is_picture = inputs["input_ids"] == self._tokenizer.convert_tokens_to_ids(PICTURE)
        inputs["mm_token_type_ids"] = is_picture.int()
        return {name: value.to(self._device) for name, value in inputs.items() if name != "token_type_ids"}


def _pictures(files: Sequence[bytes]) -> list[Any]:
    from PIL import Image

    return [Image.open(BytesIO(file)).convert("RGB") for file in files]


def _chat(question: Question, tokens: Sequence[int]) -> str:
    """The conversation in Qwen's form. tokens: of each picture. Marks of that form in the texts are broken, so that
    nobody's words end their turn."""
    instruction, text = (part.replace("<|", "< |") for part in (question.instruction, question.text))
    shown = "".join(f"<|vision_start|>{PICTURE * count}<|vision_end|>" for count in tokens)
    return (
        f"<|im_start|>system\n{instruction}<|im_end|>\n"
        f"<|im_start|>user\n{shown}{text}<|im_end|>\n<|im_start|>assistant\n"
    )
