"""What a file of weights is, by its tensors: which part of which model. Its name says nothing."""

from __future__ import annotations

from collections.abc import Callable

from wan_render.backends.wan.layouts.image_encoder_part import image_encoder_part, is_image_encoder
from wan_render.backends.wan.layouts.part import OTHER_FILE, NoPart, Part
from wan_render.backends.wan.layouts.text_encoder_part import is_text_encoder, text_encoder_part
from wan_render.backends.wan.layouts.transformer_part import is_transformer, transformer_part
from wan_render.backends.wan.layouts.vae_part import is_vae, vae_part
from wan_render.backends.wan.layouts.weight_names import without_prefix
from wan_render.backends.wan.layouts.weights_file import WeightsFile
from wan_render.backends.wan.lora.lora_names import place_of
from wan_render.errors import InputError, Problem

_TESTS: tuple[tuple[Callable[[set[str]], bool], Callable[[WeightsFile], Part | NoPart]], ...] = (
    (is_transformer, transformer_part),
    (is_image_encoder, image_encoder_part),
    (is_text_encoder, text_encoder_part),
    (is_vae, vae_part),
)


def recognise(file: WeightsFile) -> Part | NoPart:
    """What a file is. Raises InputError for a part whose weights are not those that such a part has."""
    names = {without_prefix(name) for name in file.weights}
    for test, build in _TESTS:
        if test(names):
            return _built(file, build)
    if any(place_of(name) is not None for name in file.weights):
        return NoPart(file, "a LoRA: name it in a storyboard's `loras`")
    return NoPart(file, "no part of a Wan model that is known")


def _built(file: WeightsFile, build: Callable[[WeightsFile], Part | NoPart]) -> Part | NoPart:
    """The part. A file may lack the weights that tell its configuration, or have others in their place."""
    try:
        return build(file)
    except KeyError as error:
        found = f"lacks {error.args[0]}"
    except (ValueError, IndexError, ZeroDivisionError):
        found = "has weights of other shapes than such a part has"
    raise InputError(Problem(str(file.path), found, "", OTHER_FILE))
