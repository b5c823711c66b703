"""The stages of a take, in order.

| stage            | component     | reads                            | gives                                         |
|------------------|---------------|----------------------------------|-----------------------------------------------|
| encode_text      | text encoder  | prompt, negative prompt          | embeddings, (1, 512, features) each           |
| encode_pictures  | image encoder | keyframes                        | CLIP's view, (pictures, tokens, features)     |
| encode_condition | VAE           | keyframes, or a bridge's sides   | latents of these, as a Condition              |
| denoise          | transformers  | noise (from the seed), the above | latents, (1, z, latent frames, height, width) |
| decode           | VAE           | latents                          | frames, (frames, height, width, 3) uint8      |

A take may begin on the latents of another (`latent_handover`); then condition, latents and decoding continue those.
The arithmetic and its order are those of diffusers' pipelines, so the pixels are the same bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch

from wan_render.backends.wan.pipeline.announcer import Announcer
from wan_render.backends.wan.pipeline.components import Components
from wan_render.backends.wan.pipeline.conditions import Condition
from wan_render.backends.wan.pipeline.denoise import ONE_DEVICE, Context, Parallel, denoise
from wan_render.backends.wan.pipeline.finite import explained
from wan_render.backends.wan.pipeline.latent_handover import begun_on, decoded_before
from wan_render.backends.wan.pipeline.latents import decode_video, noise
from wan_render.backends.wan.pipeline.take_encodings import Encodings
from wan_render.backends.wan.pipeline.take_setup import OpenModel, Setup
from wan_render.backends.wan.profiles.schedule import prepared_scheduler, prepared_steps
from wan_render.render_values import Phase, Pixels, Progress


class WanPipeline:
    """The stages of one model's takes on one device."""

    def __init__(
        self,
        model: OpenModel,
        components: Components,
        encodings: Encodings,
        device: torch.device,
        progress: Announcer,
    ) -> None:
        self._model, self._components, self._encodings = model, components, encodings
        self._device, self._progress = device, progress

    def context(self, setup: Setup) -> Context:
        """Encode everything that a take needs, then load the transformer."""
        is_conditioned = setup.inputs.first is not None or setup.inputs.before is not None
        parts = 1 + self._model.checkpoint.has_image_encoder + is_conditioned
        self._progress.say(Progress(Phase.ENCODING, 0, parts))
        text, negative = self.encode_text(setup)
        self._progress.say(Progress(Phase.ENCODING, 1, parts))
        pictures = self.encode_pictures(setup)
        condition = self.encode_condition(setup)
        self._progress.say(Progress(Phase.ENCODING, parts, parts))
        self._components.free_encoders()
        dtype = self._components.transformer(setup.experts.high.component, setup).dtype
        return Context(condition, text, negative, pictures).moved(self._device, dtype)

    def encode_text(self, setup: Setup) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The embeddings of the prompt and of the negative prompt, (1, 512, features) each. The latter is None if no
        expert is guided."""
        text, *negative = (
            self._encodings.text(text, lambda: self._components.text_encoder(setup.fit)) for text in setup.texts
        )
        return text, negative[0] if negative else None

    def encode_pictures(self, setup: Setup) -> torch.Tensor | None:
        """CLIP's view of the keyframes; None for a model without an image encoder."""
        return self._encodings.pictures(setup.inputs, self._components.image_encoder)

    def encode_condition(self, setup: Setup) -> Condition:
        """The condition on the keyframes, for the transformer's input."""
        return self._encodings.condition(
            setup.take, setup.inputs, setup.latent_shape, lambda: self._components.vae(setup), setup.handed
        )

    def denoise(self, context: Context, setup: Setup, parallel: Parallel = ONE_DEVICE) -> torch.Tensor:
        """The take's latents. `parallel` shares each step with other devices. Raises RenderError for values that are
        not finite."""
        take, used = setup.take, list[Any]()
        start = noise(setup.latent_shape, take.seed, self._device)
        scheduler: Any
        if (schedule := self._model.checkpoint.step_schedule) is not None:
            scheduler = prepared_steps(schedule, take, self._device)
            start = scheduler.first(start)
        else:
            scheduler = prepared_scheduler(setup.profile, take.sampling, self._model.loader.scheduler, self._device)

        def transformer(component: str) -> Any:
            used[:] = [self._components.transformer(component, setup)]
            return used[0]

        with explained(take, lambda: setup.lora_files, "transformer", lambda: used[0]):
            found = denoise(start, context, setup.experts, scheduler, transformer, self._progress.say, parallel)
        return begun_on(setup.handed, found)

    def decode(self, latents: torch.Tensor, setup: Setup) -> Pixels:
        """The frames (frames, height, width, 3) uint8. Raises RenderError for values that are not finite."""
        self._progress.say(Progress(Phase.DECODING))
        vae = self._components.vae(setup, decodes=True)
        with explained(setup.take, lambda: setup.lora_files, "VAE", lambda: vae):
            return decode_video(latents, vae, decoded_before(setup.handed))
