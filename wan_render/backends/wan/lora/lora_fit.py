"""Whether a LoRA fits a model, from the file's header and the model's configuration, before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from wan_render.backends.wan.checkpoint.configs import TransformerConfig, read_config
from wan_render.backends.wan.lora.lora_changes import LoraChanges, lora_changes
from wan_render.backends.wan.lora.lora_forms import ChangeForm, fitting, layers_of
from wan_render.backends.wan.lora.lora_names import HIGH, LOW
from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.transformer_shapes import PUBLISHED_BUILDS, Shape, weight_shapes
from wan_render.errors import InputError
from wan_render.model_card import LayersLeftOut, LoraFit, LoraLayers, ModelCard

FOR_PICTURES = "for pictures that CLIP sees, which this model does not use"
FOR_ANOTHER_EXPERT = "for a second expert, which this model does not have"
ONLY_ALPHA = "an alpha without matrices"


def lora_fit(card: ModelCard, file: Path) -> LoraFit:
    """See model_card.Models. A model of the hub need not be on this machine: its published configuration is used."""
    changes, transformers = lora_changes(file), _transformers(card)
    if not changes.has_parts:
        return LoraFit(tuple(_layers(changes, "", own, file, card) for own in transformers), changes.meant_for)
    parts = zip((HIGH, LOW), transformers, strict=False)
    layers = [_layers(changes, part, own, file, card) for part, own in parts]
    if len(transformers) == 1:
        others = LayersLeftOut(FOR_ANOTHER_EXPERT, len(layers_of(changes.parts[LOW])))
        layers = [LoraLayers(layers[0].applied, (*layers[0].left_out, others))]
    return LoraFit(tuple(layers), has_parts=True)


def _layers(
    changes: LoraChanges, part: str, transformer: Mapping[str, Shape], file: Path, card: ModelCard
) -> LoraLayers:
    """How a part's layers fit a transformer. Raises InputError if they do not; it names the models that they fit."""
    try:
        fit = fitting(changes.parts[part], transformer, str(file), card.name)
    except InputError as error:
        fitted = ", ".join(_models_that_fit(changes.parts[part]))
        problems = (replace(problem, allowed=f"it fits {fitted}") if fitted else problem for problem in error.problems)
        raise InputError(*problems) from None
    left_out = {FOR_PICTURES: len(layers_of(fit.for_pictures)), ONLY_ALPHA: changes.idle[part]}
    return LoraLayers(
        len(layers_of(fit.applied)), tuple(LayersLeftOut(why, count) for why, count in left_out.items() if count)
    )


def _models_that_fit(part: Mapping[str, ChangeForm]) -> Iterator[str]:
    """The names of the published models that all layers of a part fit, apart from those for pictures."""
    for model in official.ALL:
        with suppress(InputError):
            fitting(part, weight_shapes(PUBLISHED_BUILDS[model.identity]), "", model.name)
            yield model.name


def _transformers(card: ModelCard) -> tuple[Mapping[str, Shape], ...]:
    """The weights of each of a model's transformers, high noise first."""
    experts = max(len(kind.sampling.guidance) for kind in card.kinds.values())
    if card.made_from is not None:
        return (weight_shapes(TransformerConfig(**dict(card.made_from.transformer))),) * experts
    if card.folder is None:
        return (weight_shapes(PUBLISHED_BUILDS[card.identity]),) * experts
    configs = (card.folder / name / "config.json" for name in ("transformer", "transformer_2")[:experts])
    return tuple(weight_shapes(read_config(config, TransformerConfig)) for config in configs)
