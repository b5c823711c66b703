"""Applies LoRAs to a transformer's weights, before any quantisation, and removes them bit for bit, without loading the
model again.

Changed weights are computed on the device from the original ones, in float32, and rounded once. The originals are kept
meanwhile: on the device if there is room, else in host memory. For a float8 transformer they are kept on the device, or
the transformer is loaded again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from weakref import WeakKeyDictionary

import torch

from wan_render.backends.wan.lora.lora_file import Change, read_changes
from wan_render.backends.wan.lora.lora_forms import fitting, layers_of
from wan_render.backends.wan.lora.lora_location import lora_file, missing_loras
from wan_render.backends.wan.lora.lora_names import HIGH, LOW
from wan_render.backends.wan.lora.patched import Changes, LoraFiles, PatchedTransformer, changed, places_of
from wan_render.backends.wan.profiles.accelerator import ComponentPlacement, PlacePatched
from wan_render.backends.wan.profiles.block import LAYERS
from wan_render.backends.wan.translation import translated
from wan_render.errors import Problem, RenderError, WeightsError
from wan_render.facts import forget_digest
from wan_render.model_card import ModelCard
from wan_render.printable import logger
from wan_render.settings import machine_settings
from wan_render.take import Lora, Take

_log = logger(__name__)

CHANGEABLE = frozenset({"as loaded", "accelerated, as loaded"})
"""Forms of a component whose weights on the device are the loaded ones, or copies of them."""

_LAYERS_WEIGHTS = tuple(f".{name}.weight" for name in LAYERS.values())

Weights = Mapping[str, torch.Tensor]


class AppliedLoras:
    """The LoRAs that are applied to one renderer's transformers."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], dict[str, Change]] = {}
        self._patched: WeakKeyDictionary[torch.nn.Module, PatchedTransformer] = WeakKeyDictionary()
        self._is_used = False

    @property
    def device_bytes(self) -> int:
        """Bytes of the original weights on the device."""
        return sum(patched.device_bytes for patched in self._patched.values())

    def expect(self, loras: Iterable[Lora]) -> None:
        """Takes with these LoRAs follow: if there are any, transformers are placed so that they can be changed."""
        self._is_used |= any(True for _ in loras)

    def with_loras(
        self, placement: ComponentPlacement, wanted: LoraFiles, *, is_roomy: bool = False
    ) -> ComponentPlacement:
        """The placement of a transformer for a take with the LoRAs `wanted`.

        If LoRAs can be changed later, they are not part of its form. Otherwise they are, and the transformer is loaded
        again when they change. is_roomy: whether the device has room for all original weights besides everything else.
        Raises InputError for a LoRA of another model, or RenderError if a file is not the planned one.
        """
        self.expect(lora for lora, _ in wanted)
        if placement.form in CHANGEABLE:
            return replace(placement, place=lambda module, device: self._placed(placement, module, device))
        if self._is_used and is_roomy and placement.place_patched is not None:
            return self._to_be_changed(placement, placement.place_patched)
        return self._fused(placement, wanted) if wanted else placement

    def apply(self, transformer: torch.nn.Module, wanted: LoraFiles, *, is_roomy: bool = False) -> bool:
        """Apply exactly these LoRAs to a transformer placed by `with_loras`; whether that changed it."""
        patched = self._patched.get(transformer)
        if patched is None or patched.applied == wanted:
            return False
        together = self._together(wanted, {name: place.tensor for name, place in patched.places.items()})
        patched.applied = None
        patched.change(together, is_roomy=is_roomy)
        patched.applied = wanted
        _log.info(
            "%s: %d weights are changed; their originals take %.1f GB on the device and %.1f in host memory",
            _named(wanted) or "no LoRA",
            len(together),
            patched.device_bytes / 1e9,
            (sum(original.nbytes for original in patched.originals.values()) - patched.device_bytes) / 1e9,
        )
        self._forget_all_but(wanted)
        return True

    def make_room(self) -> None:
        """Move original weights to host memory, except those of float8 transformers."""
        for patched in self._patched.values():
            patched.make_room()

    def _placed(self, placement: ComponentPlacement, module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
        """Place a transformer and remember its weights, which are the same objects before and after."""
        weights = dict(module.named_parameters())
        placed = placement.place(module, device)
        self._patched[placed] = PatchedTransformer(places_of(weights, placed))
        return placed

    def _to_be_changed(self, placement: ComponentPlacement, place_patched: PlacePatched) -> ComponentPlacement:
        """The placement in float8 that also keeps the original weights on the device."""

        def place(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
            originals: dict[str, torch.Tensor] = {}

            def keep(block_name: str, block: torch.nn.Module) -> None:
                for name in LAYERS.values():
                    weight = block.get_submodule(name).get_parameter("weight")
                    weight.data = weight.data.to(device)
                    originals[f"{block_name}.{name}.weight"] = weight.data

            weights = dict(module.named_parameters())
            placed = place_patched(module, device, keep)
            self._patched[placed] = PatchedTransformer(places_of(weights, placed), originals)
            return placed

        def size(module: torch.nn.Module) -> int:
            originals = (w.nbytes for name, w in module.named_parameters() if name.endswith(_LAYERS_WEIGHTS))
            return placement.size(module) + sum(originals)

        return replace(placement, form=f"{placement.form}, to be changed", place=place, size=size)

    def _fused(self, placement: ComponentPlacement, wanted: LoraFiles) -> ComponentPlacement:
        """The placement with LoRAs that stay until the transformer is loaded again."""

        def place(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
            together = self._together(wanted, dict(module.named_parameters()))
            if placement.place_patched is None:
                _put_on(together, "", module, device, home=torch.device("cpu"))
                placed = placement.place(module, device)
            else:
                outside = {name: each for name, each in together.items() if not name.startswith("blocks.")}
                _put_on(outside, "", module, device)
                placed = placement.place_patched(
                    module, device, lambda name, block: _put_on(together, name, block, device)
                )
            self._forget_all_but(())
            return placed

        return replace(placement, form=f"{placement.form}, with LoRAs {_named(wanted)}", place=place)

    def _together(self, wanted: LoraFiles, weights: Weights) -> dict[str, Changes]:
        """The changes of each weight by all LoRAs. Raises InputError if one is of another model."""
        together: defaultdict[str, list[tuple[float, Change]]] = defaultdict(list)
        for lora, file in wanted:
            for name, change in self._fitting(lora, file, weights).items():
                together[name].append((lora.scale, change))
        return dict(together)

    def _fitting(self, lora: Lora, file: Path, weights: Weights) -> dict[str, Change]:
        """The changes of one LoRA to a transformer. Raises InputError if it is of another model."""
        changes = self._changes(lora, file)
        shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
        forms = {name: change.form for name, change in changes.items()}
        fit = fitting(forms, shapes, str(file), "this model")
        if fit.for_pictures:
            left_out = len(layers_of(fit.for_pictures))
            _log.warning("%s: %d layers are left out: they are for pictures that CLIP sees", file.name, left_out)
        return {name: changes[name] for name in fit.applied}

    def _changes(self, lora: Lora, file: Path) -> dict[str, Change]:
        if (wanted := _read_as(lora)) not in self._read:
            _check(lora, file)
            self._read[wanted] = read_changes(file, wanted[1])
        return self._read[wanted]

    def _forget_all_but(self, loras: LoraFiles) -> None:
        """Keep the changes of these LoRAs and of applied ones. Others are read again when an expert needs them."""
        kept = {_read_as(lora) for lora, _ in loras}
        for patched in self._patched.values():
            kept |= {_read_as(lora) for lora, _ in patched.applied or ()}
        self._read = {part: changes for part, changes in self._read.items() if part in kept}


def _read_as(lora: Lora) -> tuple[str, str]:
    """The file, by its SHA-256, and the part of it that an expert reads; "" for the whole file."""
    return lora.content, lora.expert.removesuffix(" part") if lora.by_part else ""


def _put_on(
    together: Mapping[str, Changes],
    prefix: str,
    part: torch.nn.Module,
    device: torch.device,
    home: torch.device | None = None,
) -> None:
    """Change the weights of a module. The device always computes it, because products in host memory round differently.
    home: where the changed weights go; the device by default."""
    for name, weight in part.named_parameters(prefix):
        if name in together:
            weight.data = changed(weight.data, together[name], device).to(weight.dtype).to(home or device)


def _named(loras: LoraFiles) -> str:
    """LoRAs in words. Scales are exact, because this is part of a transformer's form."""
    return ", ".join(f"{lora.content[:8]} at {str(lora.scale).removesuffix('.0')}" for lora, _ in loras)


def for_expert(loras: tuple[Lora, ...], files: Mapping[str, Path], component: str) -> LoraFiles:
    """The LoRAs of a take that a transformer uses: `transformer` is the high-noise expert, `transformer_2` the
    low-noise one. If a file has a part for each, it uses its own, and `expert` names that part."""
    own = LOW if component == "transformer_2" else HIGH
    used = (lora for lora in loras if lora.is_used_by(own))
    return tuple((replace(lora, expert=f"{own} part") if lora.by_part else lora, files[lora.content]) for lora in used)


def files_of(take: Take, given: Mapping[str, Path], card: ModelCard) -> Mapping[str, Path]:
    """The file of every LoRA of a take, by SHA-256: as given, or the published one on this machine. Raises WeightsError
    if it is missing."""
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
    with translated(f"the LoRA {file}"), file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != lora.content:
        forget_digest(machine_settings().cache, file)  # else the same command would plan with it again
        raise RenderError(
            Problem(
                str(file),
                "is not the LoRA that was planned",
                f"SHA-256 {lora.content[:8]}…, found {digest[:8]}…",
                "run the same command again",
            )
        )
