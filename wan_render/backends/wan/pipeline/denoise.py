"""The denoising loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from wan_render.backends.wan.pipeline.conditions import Condition
from wan_render.backends.wan.pipeline.finite import NotFiniteError, is_finite
from wan_render.render_values import Listen, Phase, Progress


@dataclass(frozen=True)
class Expert:
    """A transformer, by its component's name, and its guidance.

    With a guidance of 1 or less the unconditional prediction is not computed: it would not change the result.
    """

    component: str
    guidance: float

    @property
    def is_guided(self) -> bool:
        """Whether the negative prompt is used."""
        return self.guidance > 1.0


@dataclass(frozen=True)
class Experts:
    """Which expert handles which timestep: `low` those below `boundary` (a timestep), `high` the others.

    guided_steps: how many of the steps, the first ones, are guided; None for all of them.
    """

    high: Expert
    low: Expert | None = None
    boundary: float = 0.0
    guided_steps: int | None = None

    @property
    def are_guided(self) -> bool:
        """Whether any of them uses the negative prompt."""
        return self.high.is_guided or (self.low is not None and self.low.is_guided)

    def at(self, t: torch.Tensor, step: int) -> Expert:
        """The expert for a timestep and step, counted from 0; in steps that are not guided, without its guidance."""
        expert = self.high if self.low is None or bool(t >= self.boundary) else self.low
        return expert if self.guided_steps is None or step < self.guided_steps else replace(expert, guidance=1.0)


@dataclass(frozen=True)
class Context:
    """What stays the same over the steps.

    text, negative: (1, 512, features); negative is None if no expert is guided.
    pictures: (pictures, tokens, features) of CLIP, for models that have it.
    """

    condition: Condition
    text: torch.Tensor
    negative: torch.Tensor | None
    pictures: torch.Tensor | None

    def moved(self, device: torch.device, dtype: torch.dtype) -> Context:
        """The embeddings on a device, in a type. The condition stays as it is: on the device, in float32."""
        return Context(
            self.condition,
            self.text.to(device, dtype),
            None if self.negative is None else self.negative.to(device, dtype),
            None if self.pictures is None else self.pictures.to(device, dtype),
        )


class Parallel(Protocol):
    """Shares a step with other devices, which all make the same calls."""

    def both(
        self, towards: Callable[[], torch.Tensor], away: Callable[[], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The two predictions of a guided step: with the prompt, with the negative prompt."""

    def sharded(self, transformer: Any) -> AbstractContextManager[None]:
        """Inside, the transformer may share the tokens of a prediction with other devices."""


@dataclass(frozen=True)
class OneDevice:
    """Nothing is shared."""

    def both(
        self, towards: Callable[[], torch.Tensor], away: Callable[[], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both, one after the other."""
        return towards(), away()

    def sharded(self, transformer: Any) -> AbstractContextManager[None]:  # noqa: ARG002 - part of the seam
        """The transformer stays as it is."""
        return nullcontext()


ONE_DEVICE = OneDevice()


def denoise(
    latents: torch.Tensor,
    context: Context,
    experts: Experts,
    scheduler: Any,
    transformer: Callable[[str], torch.nn.Module],
    listen: Listen,
    parallel: Parallel = ONE_DEVICE,
) -> torch.Tensor:
    """Denoise float32 noise through all timesteps of a prepared scheduler. `transformer` gives a component by name.

    Raises NotFiniteError after the first step with latents that are not finite. In a group all devices have the same
    latents, so all stop at the same step.
    """
    timesteps = scheduler.timesteps.cpu()
    scheduler.set_begin_index(0)
    listen(Progress(Phase.STEP, 0, len(timesteps)))
    for done, t in enumerate(scheduler.timesteps, start=1):
        expert = experts.at(timesteps[done - 1], done - 1)
        prediction = predict(latents, t, context, expert, transformer(expert.component), parallel)
        latents = scheduler.step(prediction, t, latents, return_dict=False)[0]
        all_finite = is_finite(latents)
        if latents.is_cuda:
            torch.cuda.synchronize(latents.device)  # progress is reported when the device has finished the step
        if not all_finite:  # does not wait: the device was synchronised just before
            raise NotFiniteError(f"step {done} of {len(timesteps)}")
        listen(Progress(Phase.STEP, done, len(timesteps)))
    return context.condition.finish(latents)


def predict(
    latents: torch.Tensor,
    t: torch.Tensor,
    context: Context,
    expert: Expert,
    transformer: Any,
    parallel: Parallel = ONE_DEVICE,
) -> torch.Tensor:
    """One prediction; guided away from the negative prompt if the expert is guided."""
    seen = context.condition.model_input(latents).to(transformer.dtype)
    timestep = context.condition.timestep(t, latents)
    further = context.condition.further_inputs(transformer.dtype)

    def predicted(text: torch.Tensor) -> torch.Tensor:
        with parallel.sharded(transformer):
            found: torch.Tensor = transformer(
                hidden_states=seen,
                timestep=timestep,
                encoder_hidden_states=text,
                encoder_hidden_states_image=context.pictures,
                return_dict=False,
                **further,
            )[0]
        return found

    negative = context.negative
    if not expert.is_guided or negative is None:
        return predicted(context.text)
    towards, away = parallel.both(lambda: predicted(context.text), lambda: predicted(negative))
    return away + expert.guidance * (towards - away)
