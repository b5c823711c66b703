"""One Wan model on one device: a take and its plates become frames.

The same arithmetic as diffusers' pipelines, in the same order, so that the pixels are theirs bit for bit; what differs
is that nothing is rounded, stretched or ignored, and that what one take has loaded or encoded serves the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from wan_render.backends.wan.checkpoint.checkpoint_folder import WEIGHTS
from wan_render.backends.wan.checkpoint.loading import Loader
from wan_render.backends.wan.kernels.attention_choice import Shape
from wan_render.backends.wan.lora.active_loras import ActiveLoras, files_of, for_expert
from wan_render.backends.wan.memory.budget import ENCODER_WORKING_BYTES, Budget, latent_shape, tokens_of
from wan_render.backends.wan.memory.memory_fit import MemoryFit, MemoryStep, choose
from wan_render.backends.wan.memory.residence import ResidentComponents, available_bytes
from wan_render.backends.wan.memory.streaming import streamed
from wan_render.backends.wan.models.limits import require_possible
from wan_render.backends.wan.parallel.company import Company
from wan_render.backends.wan.parallel.layout import require_group
from wan_render.backends.wan.pipeline.conditions import Condition
from wan_render.backends.wan.pipeline.denoise import ONE_DEVICE, Context, Expert, Experts, Parallel, denoise
from wan_render.backends.wan.pipeline.finite import explained
from wan_render.backends.wan.pipeline.latents import decode_video, noise
from wan_render.backends.wan.pipeline.stage_cache import LatentsKey, StageCache, StageModel
from wan_render.backends.wan.pipeline.take_encodings import Encodings
from wan_render.backends.wan.profiles.accelerator import AS_LOADED, Accelerator, ComponentPlacement
from wan_render.backends.wan.profiles.render_profile import profile_of
from wan_render.backends.wan.profiles.schedule import prepared_scheduler
from wan_render.backends.wan.translation import translated
from wan_render.errors import InputError, Problem, RenderError, WeightsError
from wan_render.model_card import ModelCard
from wan_render.printable import logger
from wan_render.render_values import ALONE, Frames, Group, Listen, Phase, Pixels, Progress, TakeInputs, Workspace
from wan_render.settings import machine_settings
from wan_render.take import Take, short

_log = logger(__name__)


class WanRenderer:
    """A model whose components come from `loader`; `weights` says in words which they are, for the record."""

    def __init__(
        self,
        card: ModelCard,
        loader: Loader,
        device: torch.device,
        weights: Mapping[str, str],
        workspace: Workspace = ALONE,
    ) -> None:
        self._card = card
        self._workspace = workspace
        self._loader = loader
        self._checkpoint = loader.checkpoint
        self._device = device
        self._weights = weights
        self._residence = ResidentComponents(loader, device)
        self._listen: Listen = _to_nobody
        self._doing = Progress(Phase.LOADING)
        self._is_closed = False
        settings = machine_settings()
        self._asked = None if settings.memory_fit == "auto" else MemoryStep(settings.memory_fit)
        self._accelerator = Accelerator(device, settings.cache, settings.kernels)
        self._wardrobe = ActiveLoras()
        self._loras: Mapping[str, Path] = {}
        self._kept = StageCache(self._workspace.stages)
        self._encodings = Encodings(
            loader, self._source, self._kept, device, as_stock=self._accelerator.leaves_all_to_diffusers
        )
        self._budget = Budget(loader)
        self._prepared: set[str] = set()
        self._fit = MemoryFit(MemoryStep.RESIDENT)
        self._fitted: object = None
        self._is_roomy = False  # enough for the weights as they were read, beside changed ones
        self._shared = ""  # with which devices the last take was denoised

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        """Where the components do not fit together, encode for all takes what each encoder can, before the next one
        needs its memory. What is wrong with a later take is left for its own turn."""
        self._listen = listen
        self._wardrobe.expect(lora for take in takes for lora in take.loras)
        with translated(f"{self._card.name} on {self._device}"), torch.no_grad():
            new = [take for take in takes if take.key not in self._prepared]
            lacking = [take for take in new if not self._kept.knows(self._latents_key(take))]
            if not lacking or self._fit_to(lacking[0]).rung is MemoryStep.RESIDENT:
                return
            for text in dict.fromkeys(text for take in lacking for text in self._texts(take)):
                self._say(Progress(Phase.ENCODING))
                with _left_for_its_turn("a text"):
                    self._encodings.text(text, self._text_encoder)
            shown = [take for take in lacking if take.first is not None]
            self._encode_all(shown if self._checkpoint.has_image_encoder else [], plates, self._show_pictures)
            self._encode_all(shown, plates, self._condition)
            self._prepared.update(take.key for take in lacking)

    def _encode_all(
        self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], encode: Callable[[Take, TakeInputs], object]
    ) -> None:
        for take in takes:
            self._say(Progress(Phase.ENCODING))
            with _left_for_its_turn(f"take {short(take.key)}"):
                encode(take, plates(take))

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:
        """Denoise a take along with the leader of a group, who sends what it is made from. Only errors of
        wan_render.errors leave it."""
        self._require_open()
        company = Company(group, require_group(take, self._card, group), self._device)
        self._accelerator.require(profile_of(take.sampling))
        if group.is_over:  # before anything is loaded for it
            return
        self._listen = listen
        with translated(f"{self._card.name} on {self._device}"), torch.no_grad(), company.attended():
            self._fit_to(take)
            self._loras = files_of(take, plates.loras, self._card)
            self._transformer(self._experts(take).high.component, take)  # while the leader encodes
            per_token = self._checkpoint.index.expand_timesteps
            with company.followed(self._wait, lambda: self._join(take), per_token=per_token) as sent:
                if sent is not None:
                    self._denoise(take, *sent)

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        """Render a take, with a group as its leader. Only errors of wan_render.errors leave it."""
        self._require_open()
        require_possible(take, plates, self._card)
        self._accelerator.require(profile_of(take.sampling))
        company = None
        if group is not None and group.size > 1:
            company = Company(group, require_group(take, self._card, group), self._device)
        self._listen = listen
        with translated(f"{self._card.name} on {self._device}"), torch.no_grad():
            return Frames(self._decode(self.latents(take, plates, company), take), take.rate)

    def latents(self, take: Take, plates: TakeInputs, company: Company | None = None) -> torch.Tensor:
        """The denoised latents of a take, normalised, float32: (1, z, latent frames, height, width)."""
        self._shared = ""
        with nullcontext() if company is None else company.attended():
            self._fit_to(take)
            key, steps = self._latents_key(take), take.sampling.steps
            if self._kept.knows(key):
                self._say(Progress(Phase.STEP, steps, steps))
            return self._kept.of(key, lambda: self._denoised(take, plates, company)).to(self._device)

    def _denoised(self, take: Take, plates: TakeInputs, company: Company | None) -> torch.Tensor:
        self._loras = files_of(take, plates.loras, self._card)
        context = self._context(take, plates)
        if company is None:
            return self._denoise(take, context)
        with company.led(context, self._wait, lambda: self._join(take)) as parallel:
            self._shared = str(company.layout)
            return self._denoise(take, context, parallel)

    def _denoise(self, take: Take, context: Context, parallel: Parallel = ONE_DEVICE) -> torch.Tensor:
        profile = profile_of(take.sampling)
        scheduler = prepared_scheduler(profile, take.sampling, self._loader.scheduler, self._device)
        start = noise(latent_shape(self._checkpoint, take), take.seed, self._device)
        experts = self._experts(take)
        used: list[Any] = []

        def transformer(name: str) -> Any:
            used[:] = [self._transformer(name, take)]
            return used[0]

        with explained(take, self._loras, "transformer", lambda: used[0]):
            return denoise(start, context, experts, scheduler, transformer, self._say, parallel)

    def facts(self) -> Mapping[str, str]:
        """Versions, device, and exactly which weights, in what precision."""
        is_cuda = self._device.type == "cuda"
        return {
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "device": torch.cuda.get_device_name(self._device) if is_cuda else "cpu",
            **({"image processor": self._encodings.processor} if self._encodings.processor else {}),
            **self._weights,
            "memory fit": str(self._fit),
            **self._accelerator.facts(),
            **({"devices": self._shared} if self._shared else {}),
        }

    def close(self) -> None:
        """Free the device."""
        self._is_closed = True
        self._residence.close()

    def _context(self, take: Take, plates: TakeInputs) -> Context:
        """Everything is encoded before the transformer comes: words, CLIP's view of the plates, the VAE's."""
        experts = self._experts(take)
        parts = 1 + self._checkpoint.has_image_encoder + (plates.first is not None)
        self._say(Progress(Phase.ENCODING, 0, parts))
        text = self._encodings.text(take.prompt, self._text_encoder)
        negative = self._encodings.text(take.negative, self._text_encoder) if experts.are_guided else None
        self._say(Progress(Phase.ENCODING, 1, parts))
        pictures = self._show_pictures(take, plates)
        condition = self._condition(take, plates)
        self._say(Progress(Phase.ENCODING, parts, parts))
        if self._workspace.tighter:
            self._residence.free("text_encoder", "image_encoder")
        dtype = self._transformer(experts.high.component, take).dtype
        return Context(
            condition=condition,
            text=text.to(self._device, dtype),
            negative=None if negative is None else negative.to(self._device, dtype),
            pictures=None if pictures is None else pictures.to(self._device, dtype),
        )

    def _show_pictures(self, _: Take, plates: TakeInputs) -> torch.Tensor | None:
        return self._encodings.pictures(plates, self._image_encoder)

    def _condition(self, take: Take, plates: TakeInputs) -> Condition:
        return self._encodings.condition(take, plates, latent_shape(self._checkpoint, take), lambda: self._vae(take))

    def _decode(self, latents: torch.Tensor, take: Take) -> Pixels:
        self._say(Progress(Phase.DECODING))
        vae = self._vae(take)
        with explained(take, self._loras, "VAE", lambda: vae):
            return decode_video(latents, vae)

    def _experts(self, take: Take) -> Experts:
        guidance, boundary = take.sampling.guidance, self._checkpoint.index.boundary_ratio
        high = Expert("transformer", guidance[0])
        if boundary is None:
            return Experts(high)
        train_timesteps = self._loader.scheduler(take.sampling.shift).config.num_train_timesteps
        return Experts(high, Expert("transformer_2", guidance[1]), boundary * train_timesteps)

    def _text_encoder(self) -> torch.nn.Module:
        arrival = streamed("text_encoder") if "text_encoder" in self._fit.streamed else AS_LOADED
        return self._resident("text_encoder", ENCODER_WORKING_BYTES, arrival)

    def _image_encoder(self) -> torch.nn.Module:
        return self._resident("image_encoder", ENCODER_WORKING_BYTES)

    def _vae(self, take: Take) -> Any:
        arrival = self._accelerator.vae(profile_of(take.sampling))
        vae: Any = self._resident("vae", self._budget.beside_weights("vae", take), arrival)
        vae.use_tiling = self._fit.rung is MemoryStep.TILED
        return vae

    def _transformer(self, component: str, take: Take) -> Any:
        profile, config = profile_of(take.sampling), self._checkpoint.transformer
        worn = for_expert(take.loras, self._loras, component)
        arrival = self._accelerator.transformer(profile, config.width, config.num_attention_heads)
        if component in self._fit.streamed:
            arrival = streamed(component)
        arrival = self._wardrobe.arrival(arrival, worn, is_roomy=self._is_roomy)
        found = self._resident(component, self._budget.beside_weights(component, take), arrival)
        shape = Shape(tokens_of(self._checkpoint, take), config.num_attention_heads, config.attention_head_dim)
        if self._wardrobe.wear(found, worn, is_roomy=self._is_roomy):
            self._accelerator.forget(found)
        self._accelerator.adopt(found, profile, shape)
        return found

    def _resident(self, component: str, working_bytes: int, arrival: ComponentPlacement = AS_LOADED) -> torch.nn.Module:
        """A component on the device. Loading it is told as such; then what it is for goes on."""
        was_here = self._residence.holds(component, arrival)
        found = self._residence.module(component, working_bytes, self._listen, arrival)
        if not was_here:
            self._listen(self._doing)
        return found

    def _fit_to(self, take: Take) -> MemoryFit:
        """Choose how the model is fitted into memory: once for each size and length, since estimates depend on them."""
        shape = (take.size, take.frames, take.sampling.way)
        if shape == self._fitted:
            return self._fit
        free = available_bytes(self._device, self._residence)
        free += self._wardrobe.device_bytes if free else 0
        needs, may_stream = self._budget.needs(take), self._device.type == "cuda"
        self._fit = choose(self._asked, self._workspace.tighter, needs, free, may_stream=may_stream)
        self._fitted = shape
        self._is_roomy = self._fit.spare >= self._budget.transformers_bytes
        if not self._is_roomy:
            self._wardrobe.make_room()  # before anything is encoded: the fit counts on it
        asked = "WAN_RENDER_MEMORY_FIT" if self._asked else f"{free / 1e9:.1f} GB are free"
        _log.info("memory fit of %s at %s: %s, as %s", self._card.name, take.size, self._fit, asked)
        return self._fit

    def _texts(self, take: Take) -> tuple[str, ...]:
        return (take.prompt, take.negative) if self._experts(take).are_guided else (take.prompt,)

    def _source(self, component: str) -> StageModel:
        return StageModel(self._card.identity, self._weights.get("weights", ""), self._loader.dtype(component))

    def _latents_key(self, take: Take) -> LatentsKey:
        components = (name for name in WEIGHTS if name in self._checkpoint.components)
        return LatentsKey(take.key, tuple(map(self._source, components)))

    def _require_open(self) -> None:
        if self._is_closed:
            raise RenderError(Problem(self._card.name, "is closed", "a renderer that is open", "open another"))

    def _wait(self) -> None:
        self._say(Progress(Phase.WAITING))

    def _join(self, take: Take) -> None:
        """A part of the first step: a farm gives it a step's time. One that waits may be silent for less."""
        self._say(Progress(Phase.STEP, 0, take.sampling.steps))

    def _say(self, progress: Progress) -> None:
        self._doing = progress
        self._listen(progress)


@contextmanager
def _left_for_its_turn(what: str) -> Iterator[None]:
    """What is wrong with a later take is said when it is rendered."""
    try:
        yield
    except (InputError, RenderError, WeightsError) as error:
        _log.info("%s is not prepared: %s", what, error.problems[0].found)


def _to_nobody(progress: Progress) -> None:
    """Listens to nothing."""
