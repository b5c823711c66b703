"""How components are placed on the device for a take, and with which kernels they compute."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from wan_render.backends.wan.checkpoint.moving import moved_to_device
from wan_render.backends.wan.kernels import attention, self_check
from wan_render.backends.wan.kernels.attention import Kernel
from wan_render.backends.wan.kernels.attention_check import ExactLayers
from wan_render.backends.wan.kernels.attention_choice import Shape, fastest
from wan_render.backends.wan.kernels.decoder import channels_last, fuse
from wan_render.backends.wan.kernels.encoder import fuse_encoder
from wan_render.backends.wan.kernels.launch_choice import fastest_launches, seconds_on_device
from wan_render.backends.wan.kernels.launches import USUAL, Launches
from wan_render.backends.wan.kernels.linear import takes_row_scales
from wan_render.backends.wan.kernels.sparse_linear import attend_gathered
from wan_render.backends.wan.models.transformer_shapes import sees_only_context
from wan_render.backends.wan.profiles.first_block import SkipCount
from wan_render.backends.wan.profiles.prepare import (
    accelerated,
    chosen_attention,
    fused_operations,
    fused_vae_operations,
    machine,
)
from wan_render.backends.wan.profiles.render_profile import (
    Precision,
    Profile,
    require_profile,
    variant_of,
)
from wan_render.backends.wan.profiles.sparse_attention import sparse_linear_layers
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer, PatchBlock, no_patch
from wan_render.backends.wan.profiles.weight_storage import ALL_ON_DEVICE, WeightStorage
from wan_render.errors import MachineError, Problem
from wan_render.facts import FactCache
from wan_render.printable import logger

_log = logger(__name__)

Kernels = Literal["auto", "stock"]


def component_bytes(module: torch.nn.Module) -> int:
    """Bytes of a component's weights."""
    return sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))


PlacePatched = Callable[[Any, torch.device, PatchBlock], torch.nn.Module]


@dataclass(frozen=True)
class ComponentPlacement:
    """How a component is moved from host memory to the device.

    form:          its form on the device. A component can only be reused in the same form.
    place:         moves it.
    size:          its bytes on the device.
    place_patched: moves it block by block; each block may be changed before.
    """

    form: str = "as loaded"
    place: Callable[[Any, torch.device], torch.nn.Module] = moved_to_device
    size: Callable[[torch.nn.Module], int] = component_bytes
    place_patched: PlacePatched | None = None


AS_LOADED = ComponentPlacement()


class Accelerator:
    """Chooses forms and kernels for one renderer on one device.

    kernels: with `stock` diffusers computes transformers and VAE, so that `exact` is its result bit for bit.
    folder:  the machine's cache, for measurements and compiled kernels.
    """

    def __init__(self, device: torch.device, folder: Path, kernels: Kernels = "auto") -> None:
        self._device = device
        self._kernels = kernels
        self._folder = folder
        self._chosen: dict[Shape, Kernel] = {}
        self._is_sound: dict[tuple[int, Precision], bool] = {}
        self._launches: dict[tuple[int, Precision], Launches] = {}
        self._facts: dict[str, str] = {}
        self._skips, self._exact_layers = SkipCount(), ExactLayers()
        self._layers = 0
        self._coders: dict[str, str] = {}
        self._fuses: bool | None = None  # of VAEs; None until the kernels were checked
        self._attends_blocks: bool | None = None  # of sparse-linear attention; likewise

    @property
    def leaves_all_to_diffusers(self) -> bool:
        """Whether `exact` is diffusers' result bit for bit: because of `stock`, or on a CPU, which has no own
        kernels."""
        return machine(self._device).kind != "cuda" or self._kernels == "stock"

    def require(self, profile: Profile) -> None:
        """Raise DeviceError or MachineError if this machine cannot compute a profile."""
        require_profile(profile, machine(self._device))
        if profile.needs_own_kernels and self._kernels == "stock":
            found = "WAN_RENDER_KERNELS is 'stock'"
            raise MachineError(
                Problem(f"profile '{profile.name}'", found, "expected auto", "set WAN_RENDER_KERNELS=auto")
            )

    def begin_take(self) -> None:
        """A new take begins; `facts` describes it from now on."""
        self._facts, self._skips, self._exact_layers = {}, SkipCount(), ExactLayers()
        self._coders = {}

    def transformer(
        self, profile: Profile, width: int, heads: int, storage: WeightStorage = ALL_ON_DEVICE
    ) -> ComponentPlacement:
        """The placement of a transformer of this width for a profile. AS_LOADED if diffusers computes it."""
        if self.leaves_all_to_diffusers:
            return AS_LOADED
        linears = profile.linears
        if not self._holds(width, heads, linears):
            if not profile.needs_own_kernels:
                return AS_LOADED
            found = "its kernels are unavailable on this device, or give wrong results (see the log)"
            remedy = "render with profile: exact, which then uses diffusers' forward"
            raise MachineError(Problem(f"profile '{profile.name}'", found, remedy=remedy))

        def place(module: Any, device: torch.device, patch_block: PatchBlock = no_patch) -> torch.nn.Module:
            return accelerated(
                module,
                linears,
                device,
                patch_block=patch_block,
                attending=profile.attention,
                storage=storage,
                launches=self._launches[width, linears],
            )

        return ComponentPlacement(
            _form(profile, storage),
            place,
            lambda module: accelerated_bytes(module, linears, storage),
            place,
        )

    def vae(self, profile: Profile, *, decodes: bool = True) -> ComponentPlacement:
        """The placement of the VAE for a profile. Its encoder always has the precision that was loaded. decodes: what
        it is used for."""
        form = VaeForm(profile.decodes_in_bfloat16, is_fused=self._fuses_vaes())
        self._coders |= {"decoder": form.decoder} if decodes else {"encoder": form.encoder}
        return form.placement()

    def adopt(self, transformer: torch.nn.Module, profile: Profile, shape: Shape) -> None:
        """Set up a transformer on the device for a profile and a shape. Cheap if it is set up already."""
        named = {"profile": profile.name} | ({"variant": name} if (name := variant_of(profile)) else {})
        sparse = self._adopt_sparse_linear(transformer, shape)
        self._facts = {**named, "transformer": "diffusers", "attention": sparse or "torch sdpa"}
        if not isinstance(transformer, AcceleratedTransformer):
            return
        kernel = self._fastest(shape)
        transformer.attend.kernel = kernel
        transformer.first_block_threshold = profile.first_block_threshold
        transformer.skips, transformer.exact_layers = self._skips, self._exact_layers
        self._layers = len(transformer.blocks)
        is_float8 = profile.attention is Precision.FLOAT8 and not sparse
        full = f"{attention.FLASH_3.name}, {profile.attention.value}" if is_float8 else kernel.name
        self._facts = {
            **named,
            "transformer": "wan-render's forward, fused kernels",
            "linear layers": _linear_words(profile.linears, self._device),
            "attention": sparse or full,
            "cross-attention": kernel.name,
            **({"fa3-fwd": attention.versions()[attention.FLASH3]} if is_float8 or kernel is attention.FLASH_3 else {}),
        }

    def forget(self, transformer: torch.nn.Module) -> None:
        """Forget what a transformer has cached. Call it after its weights were changed."""
        if isinstance(transformer, AcceleratedTransformer):
            transformer.forget()

    def facts(self) -> Mapping[str, str]:
        """How the last take was computed, in words, for its record."""
        skipped = {"first-block cache": str(self._skips)} if self._skips.predictions else {}
        if self._exact_layers:
            skipped |= {"attention in bfloat16": self._exact_layers.words(self._layers)}
        return self._facts | skipped | self._coders

    def _adopt_sparse_linear(self, transformer: torch.nn.Module, shape: Shape) -> str:
        """Set up sparse-linear attention; how it is computed, in words. "" if the transformer has none."""
        layers = tuple(sparse_linear_layers(transformer))
        if not layers:
            return ""
        is_fused = not self.leaves_all_to_diffusers and self._holds_blocks(shape)
        attend_blocks = chosen_attention() if is_fused else attend_gathered
        for layer in layers:
            layer.attend_blocks = attend_blocks
        how = "fused kernel" if is_fused else "torch sdpa"
        return f"sparse-linear, {100 * layers[0].share:.0f} % of the keys, {how}"

    def _holds_blocks(self, shape: Shape) -> bool:
        """Whether the kernel of sparse-linear attention is right on this device. Checked once per process."""
        if self._attends_blocks is None:
            self._attends_blocks = self._are_right(
                lambda: self_check.wrong_block_attention(chosen_attention(), shape.features, self._device)
            )
        return self._attends_blocks

    def _fastest(self, shape: Shape) -> Kernel:
        if shape not in self._chosen:
            self._chosen[shape] = fastest(shape, self._device, FactCache(self._folder))
        return self._chosen[shape]

    def _holds(self, width: int, heads: int, linears: Precision) -> bool:
        """Whether the fused kernels are right on this device. Checked once per process."""
        key = (width, linears)
        if key not in self._is_sound:
            self._launches[key] = USUAL
            self._is_sound[key] = self._are_right(
                lambda: self_check.wrong_operations(fused_operations(), width, heads, linears, self._device)
            )
            if self._is_sound[key] and self._device.type == "cuda":
                self._launches[key] = self._tuned(width, heads, linears)
        return self._is_sound[key]

    def _tuned(self, width: int, heads: int, linears: Precision) -> Launches:
        """The fastest launches of the fused kernels here, if the kernels are right with them as well."""
        cache = FactCache(self._folder)
        found = fastest_launches(width, heads, linears, self._device, cache, fused_operations, seconds_on_device)
        if found == USUAL:
            return USUAL
        wrong = self_check.wrong_operations(fused_operations(found), width, heads, linears, self._device)
        if wrong:
            _log.warning("with the launches that are fastest here, these kernels err: %s", ", ".join(wrong))
        return USUAL if wrong else found

    def _fuses_vaes(self) -> bool:
        """Whether the fused kernels of VAEs are right on this device. Checked once per process."""
        if self.leaves_all_to_diffusers:
            return False
        if self._fuses is None:
            self._fuses = self._are_right(lambda: self_check.wrong_vae_operations(fused_vae_operations(), self._device))
        return self._fuses

    def _are_right(self, wrong_ones: Callable[[], list[str]]) -> bool:
        """Whether all kernels are right. Wrong or missing kernels are logged."""
        os.environ.setdefault("TRITON_CACHE_DIR", str(self._folder / "triton"))
        try:
            wrong = wrong_ones()
        except ImportError as fault:
            _log.warning("fused kernels are unavailable: %s; Triton comes with torch's CUDA builds for Linux", fault)
            return False
        if wrong:
            _log.warning("these fused kernels give wrong results on this device: %s", ", ".join(wrong))
        return not wrong


def _form(profile: Profile, storage: WeightStorage) -> str:
    """The form of an accelerated transformer: its precisions, and where its weights are."""
    attending = "" if profile.attention is profile.linears else f", attention {profile.attention.value}"
    stored = f", {storage.form}" if storage.form else ""
    return f"accelerated, {profile.linears.value}{attending}{stored}"


def _linear_words(linears: Precision, device: torch.device) -> str:
    """The precision of the linear layers, and whether their scales are applied in a pass of their own."""
    afterwards = linears is Precision.FLOAT8 and not takes_row_scales(device)
    return linears.value + (", scales by row applied afterwards" if afterwards else "")


def accelerated_bytes(module: Any, linears: Precision, storage: WeightStorage = ALL_ON_DEVICE) -> int:
    """Bytes on the device of an accelerated transformer made of diffusers' `module`."""
    blocks, keys_and_values = [], []
    for block in module.blocks:
        sizes = {name: (weight.nbytes, weight.numel(), weight.dim()) for name, weight in block.named_parameters()}
        context = {name for name in sizes if sees_only_context(name)}
        is_smaller = linears is not Precision.LOADED
        keys_and_values.append(sum(sizes[name][0] for name in context))
        blocks.append(
            sum(
                count if is_smaller and dims == 2 else size
                for name, (size, count, dims) in sizes.items()
                if name not in context
            )
        )
    outside = component_bytes(module) - component_bytes(module.blocks)
    return outside + storage.blocks.device_bytes(blocks) + storage.keys_and_values.device_bytes(keys_and_values)


@dataclass(frozen=True)
class VaeForm:
    """How a VAE computes: its decoder in bfloat16 or as loaded, and both sides with diffusers' passes or with fused
    kernels."""

    in_bfloat16: bool
    is_fused: bool

    @property
    def encoder(self) -> str:
        """The form of the encoder in words, for the take's record."""
        return "wan-render's passes, fused kernels" if self.is_fused else "diffusers"

    @property
    def decoder(self) -> str:
        """The same of the decoder."""
        return f"{self.encoder}, bfloat16" if self.in_bfloat16 else self.encoder

    def placement(self) -> ComponentPlacement:
        """The placement of a VAE with this form."""
        is_changed = self.in_bfloat16 or self.is_fused
        return ComponentPlacement(f"decoder of {self.decoder}", self._place) if is_changed else AS_LOADED

    def _place(self, vae: Any, device: torch.device) -> torch.nn.Module:
        moved_to_device(vae, device)
        if self.in_bfloat16:
            for part in (vae.post_quant_conv, vae.decoder):
                part.to(torch.bfloat16)
                channels_last(part)
        if self.is_fused:
            fuse(vae, fused_vae_operations())
            fuse_encoder(vae, fused_vae_operations())
        placed: torch.nn.Module = vae
        return placed
