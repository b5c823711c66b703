"""LoRAs in a transformer's weights: fused before anything is quantised, changed without reading the model again, and
taken out bit for bit.

What is changed is computed from the weights as they were read, in float32, and rounded once; those weights are kept in
host memory while they are changed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakKeyDictionary

import torch

from wan_render.backends.wan.acceleration.accelerator import Arrival
from wan_render.backends.wan.location import lora_file, missing_loras
from wan_render.backends.wan.lora_file import Change, read_changes
from wan_render.errors import Problem, RenderError, WeightsError
from wan_render.render import ModelCard
from wan_render.take import Lora, Take

_log = logging.getLogger(__name__)

CHANGEABLE = frozenset({"as loaded", "accelerated, as loaded"})
"""Forms of a component on the device whose linear layers' weights are those that were read."""

_PICTURES = ("add_k_proj", "add_v_proj", "norm_added_k", "image_embedder")
"""Modules that only models with an image encoder have: a LoRA of such a model is used without them elsewhere."""

Worn = tuple[tuple[Lora, Path], ...]
"""LoRAs with their files, in order."""

Weights = Mapping[str, torch.nn.Parameter]


@dataclass
class _Dressed:
    """A transformer on the device. weights: by name, wherever they lie; base: what those that are changed were."""

    weights: Weights
    base: dict[str, torch.Tensor]
    worn: Worn = ()


class Wardrobe:
    """The LoRAs of one renderer's transformers."""

    def __init__(self) -> None:
        self._read: dict[str, dict[str, Change]] = {}
        self._plain: dict[str, bool] = {}
        self._dressed: WeakKeyDictionary[torch.nn.Module, _Dressed] = WeakKeyDictionary()

    def arrival(self, arrival: Arrival, wanted: Worn) -> Arrival:
        """How a transformer comes onto the device for a take that wears `wanted`.

        Where they can be put on later its form says nothing of them. Otherwise they are part of its form: it is read
        again when they change. Raises WeightsError, or RenderError where a file is not what was planned.
        """
        if arrival.form in CHANGEABLE and all(self._is_plain(lora, file) for lora, file in wanted):
            return replace(arrival, place=lambda module, device: self._placed(arrival, module, device))
        if not wanted:
            return arrival

        def place(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
            self._put_on(_Dressed(dict(module.named_parameters()), {}), wanted, keeps_base=False)
            self._forget_all_but(())
            return arrival.place(module, device)

        worn = ", ".join(f"{lora.content[:8]} at {lora.scale:g}" for lora, _ in wanted)
        return replace(arrival, form=f"{arrival.form}, with LoRAs {worn}", place=place)

    def wear(self, transformer: torch.nn.Module, wanted: Worn) -> bool:
        """Make a transformer that came by `arrival` wear exactly these; whether that changed it. Cheap if it does."""
        dressed = self._dressed.get(transformer)
        if dressed is None or dressed.worn == wanted:
            return False
        self._take_off(dressed)
        self._put_on(dressed, wanted, keeps_base=True)
        dressed.worn = wanted
        self._forget_all_but(wanted)
        return True

    def _placed(self, arrival: Arrival, module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
        """The weights keep their identity on the way to the device, whoever takes them over."""
        weights = dict(module.named_parameters())
        placed = arrival.place(module, device)
        self._dressed[placed] = _Dressed(weights, {})
        return placed

    def _take_off(self, dressed: _Dressed) -> None:
        for name, base in dressed.base.items():
            dressed.weights[name].data.copy_(base)
        dressed.base.clear()
        dressed.worn = ()

    def _put_on(self, dressed: _Dressed, wanted: Worn, *, keeps_base: bool) -> None:
        together: dict[str, list[tuple[float, Change]]] = {}
        for lora, file in wanted:
            for name, change in self._fitting(lora, file, dressed.weights).items():
                together.setdefault(name, []).append((lora.scale, change))
        for name, changes in together.items():
            weight = dressed.weights[name]
            if keeps_base:
                dressed.base[name] = weight.data.to("cpu", copy=True)
            _add(weight.data, changes)

    def _fitting(self, lora: Lora, file: Path, weights: Weights) -> dict[str, Change]:
        """The changes of a LoRA to a transformer. Raises WeightsError where it is another model's."""
        changes = self._changes(lora, file)
        absent = [name for name in changes if name not in weights]
        strange = [name for name in absent if not any(part in name for part in _PICTURES)]
        misshapen = [
            f"{name} {change.shape} for {tuple(weights[name].shape)}"
            for name, change in changes.items()
            if name in weights and not change.fits(weights[name])
        ]
        if strange or misshapen:
            listed = ", ".join((misshapen or strange)[:3])
            found = f"does not fit this model: {listed}" + (", …" if len(misshapen or strange) > 3 else "")
            raise WeightsError(
                Problem(str(file), found, "expected a LoRA of this model", "remove it from render.loras")
            )
        if absent:
            _log.info("%s: %d changes are for a model that sees pictures by CLIP", file.name, len(absent))
        return {name: change for name, change in changes.items() if name in weights}

    def _is_plain(self, lora: Lora, file: Path) -> bool:
        """Whether it changes nothing but linear layers within blocks and around them: norms and tables are copied when
        a transformer is taken over by a faster forward."""
        if lora.content not in self._plain:
            names = self._changes(lora, file)
            self._plain[lora.content] = all(n.endswith((".weight", ".bias")) and ".norm" not in n for n in names)
        return self._plain[lora.content]

    def _changes(self, lora: Lora, file: Path) -> dict[str, Change]:
        if lora.content not in self._read:
            _check(lora, file)
            self._read[lora.content] = read_changes(file)
        return self._read[lora.content]

    def _forget_all_but(self, worn: Worn) -> None:
        """Other experts may wear others: they are read again when their turn comes."""
        kept = {lora.content for lora, _ in worn}
        for dressed in self._dressed.values():
            kept |= {lora.content for lora, _ in dressed.worn}
        self._read = {content: changes for content, changes in self._read.items() if content in kept}


def for_expert(loras: tuple[Lora, ...], files: Mapping[str, Path], component: str) -> Worn:
    """The LoRAs of a take that a transformer wears: `transformer` is the high-noise expert, `transformer_2` the low."""
    other = "high" if component == "transformer_2" else "low"
    return tuple((lora, files[lora.content]) for lora in loras if lora.expert != other)


def files_of(take: Take, given: Mapping[str, Path], card: ModelCard) -> Mapping[str, Path]:
    """The file of every LoRA of a take: as given, or where a published one lies. Raises WeightsError where it does
    not."""
    return {lora.content: given.get(lora.content) or _published(lora, card) for lora in take.loras}


def _published(lora: Lora, card: ModelCard) -> Path:
    named = tuple(each for each in card.distilled if each.content == lora.content)
    if (problem := missing_loras(named)) is not None:
        raise WeightsError(problem)
    for each in named:
        if (file := lora_file(each)) is not None:
            return file
    raise WeightsError(Problem(card.name, f"no file was given for the LoRA {lora.content[:8]}…"))


def _check(lora: Lora, file: Path) -> None:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != lora.content:
        raise RenderError(
            Problem(str(file), "is not the LoRA that was planned", f"SHA-256 {lora.content[:8]}…, found {digest[:8]}…")
        )


def _add(weight: torch.Tensor, changes: list[tuple[float, Change]]) -> None:
    """Add changes to a weight where it lies: summed in float32, rounded once."""
    total = weight.to(torch.float32, copy=True)
    for scale, change in changes:
        total += scale * change.delta(weight.device).reshape(weight.shape)
    weight.copy_(total)
