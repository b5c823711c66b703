"""A model's encoders, VAE and transformers on one device, each in the form that a take needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from wan_render.backends.wan.lora.applied_loras import AppliedLoras
from wan_render.backends.wan.memory.budget import ENCODER_WORKING_BYTES, Budget
from wan_render.backends.wan.memory.loaded_components import LoadedComponents, available_bytes
from wan_render.backends.wan.memory.offload_choice import MemoryFit, MemoryStep, choose, kept_from
from wan_render.backends.wan.memory.streaming import storage_of, streamed
from wan_render.backends.wan.pipeline.announcer import Announcer
from wan_render.backends.wan.pipeline.take_setup import OpenModel, Setup
from wan_render.backends.wan.profiles.accelerator import AS_LOADED, Accelerator, ComponentPlacement
from wan_render.backends.wan.profiles.render_profile import Profile
from wan_render.host_memory import host_memory
from wan_render.printable import logger
from wan_render.settings import machine_settings
from wan_render.take import Lora, Take

_log = logger(__name__)


class Components:
    """The components of a model on one device. Each is loaded when a take first needs it, in the form that the take's
    profile, LoRAs and memory fit require, and stays while there is room."""

    def __init__(self, model: OpenModel, device: torch.device, progress: Announcer, tighter: int = 0) -> None:
        """tighter: see Workspace."""
        settings = machine_settings()
        self._model, self._device, self._progress, self._tighter = model, device, progress, tighter
        self._loaded = LoadedComponents(model.loader, device)
        self._accelerator = Accelerator(device, settings.cache, settings.kernels)
        self._loras = AppliedLoras()
        self._budget = Budget(model.loader, fuses=not self._accelerator.leaves_all_to_diffusers)
        self._asked = None if settings.memory_fit == "auto" else MemoryStep(settings.memory_fit)
        self._fit = MemoryFit(MemoryStep.RESIDENT)
        self._fitted: object = None

    @property
    def leaves_all_to_diffusers(self) -> bool:
        """See Accelerator."""
        return self._accelerator.leaves_all_to_diffusers

    def require(self, profile: Profile) -> None:
        """Raise DeviceError or MachineError if this device cannot compute a profile."""
        self._accelerator.require(profile)

    def expect(self, loras: Iterable[Lora]) -> None:
        """Takes with these LoRAs follow, so transformers are loaded in a form that LoRAs can be applied to."""
        self._loras.expect(loras)

    def begin_take(self) -> None:
        """A new take begins; `facts` describes it from now on."""
        self._accelerator.begin_take()

    def fit_to(self, take: Take) -> MemoryFit:
        """How the model is fitted into memory for a take. It is chosen once per size, length and profile."""
        shape = (take.size, take.frames, take.sampling.profile_variant)
        if shape != self._fitted:
            self._fit, self._fitted = self._chosen(take), shape
        return self._fit

    def text_encoder(self, fit: MemoryFit) -> torch.nn.Module:
        """The text encoder (UMT5), as diffusers has it."""
        placement = streamed("text_encoder") if "text_encoder" in fit.streamed else AS_LOADED
        return self._on_device("text_encoder", ENCODER_WORKING_BYTES, placement)

    def image_encoder(self) -> torch.nn.Module:
        """CLIP's vision model. Only for models that have one."""
        return self._on_device("image_encoder", ENCODER_WORKING_BYTES)

    def vae(self, setup: Setup, *, decodes: bool = False) -> Any:
        """The VAE, with its decoder in the form of the profile. decodes: what it is used for."""
        placement = self._accelerator.vae(setup.profile, decodes=decodes)
        working = self._budget.decoding(setup.take) if decodes else self._budget.working("vae", setup.take)
        vae: Any = self._on_device("vae", working, placement)
        vae.use_tiling = setup.fit.step is MemoryStep.TILED
        return vae

    def transformer(self, component: str, setup: Setup) -> Any:
        """One of the transformers, with exactly the take's LoRAs applied. Called at every step, so it is cheap if
        nothing changes. Raises InputError for a LoRA of another model, WeightsError for a missing one."""
        loras, is_roomy = setup.loras_of(component), self._is_roomy(setup.fit)
        placement = self._loras.with_loras(self._placement(component, setup), loras, is_roomy=is_roomy)
        found = self._on_device(component, self._budget.beside_weights(component, setup.take), placement)
        if self._loras.apply(found, loras, is_roomy=is_roomy):
            self._accelerator.forget(found)
        self._accelerator.adopt(found, setup.profile, setup.attention)
        return found

    def free_encoders(self) -> None:
        """Free the encoders after encoding, if an earlier attempt ran out of memory."""
        if self._tighter:
            self._loaded.free("text_encoder", "image_encoder")

    def facts(self) -> Mapping[str, str]:
        """How the last take was fitted into memory and computed, in words."""
        return {"memory fit": str(self._fit), **self._accelerator.facts()}

    def close(self) -> None:
        """Free the device."""
        self._loaded.close()

    def _placement(self, component: str, setup: Setup) -> ComponentPlacement:
        config, fit = self._model.checkpoint.transformer, setup.fit
        placement = AS_LOADED
        if not self._model.checkpoint.sees_video:  # which diffusers' own forward computes
            storage = storage_of(component, fit)
            placement = self._accelerator.transformer(setup.profile, config.width, config.num_attention_heads, storage)
        is_stock = placement is AS_LOADED
        return streamed(component, fit.resident_blocks) if is_stock and component in fit.streamed else placement

    def _on_device(
        self, component: str, working_bytes: int, placement: ComponentPlacement = AS_LOADED
    ) -> torch.nn.Module:
        was_here = self._loaded.holds(component, placement)
        if not was_here and self._fit.by_turns and component in self._fit.streamed:
            self._loaded.free(*self._fit.streamed)
        found = self._loaded.module(component, working_bytes, self._progress.interrupt, placement)
        if not was_here:
            self._progress.resume()
        return found

    def _chosen(self, take: Take) -> MemoryFit:
        free = available_bytes(self._device, self._loaded)
        free += self._loras.device_bytes if free else 0
        needs, may_stream = self._budget.needs(take), self._device.type == "cuda"
        host_free = host_memory().available
        fit = choose(self._asked, self._tighter, needs, free, may_stream=may_stream, host_free=host_free)
        fit = kept_from(self._fit, fit)
        if not self._is_roomy(fit):
            self._loras.make_room()  # before encoding, since the fit counts on that memory
        asked = "WAN_RENDER_MEMORY_FIT" if self._asked else f"{free / 1e9:.1f} GB are free"
        _log.info("memory fit of %s at %s: %s, as %s", self._model.card.name, take.size, fit, asked)
        return fit

    def _is_roomy(self, fit: MemoryFit) -> bool:
        """Whether the transformers' original weights fit on the device next to the changed ones."""
        return fit.spare >= self._budget.transformers_bytes
