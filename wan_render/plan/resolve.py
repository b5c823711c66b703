"""Settings → a take: what a shot and a painted keyframe have in common."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.plan.drafts import DRAFT, distilled, draft_sampling
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Settings
from wan_render.plan.loras import Loras
from wan_render.plan.models import Modelled, sampling_of
from wan_render.plan.prompt import negative
from wan_render.plan.prompt_length import PromptLengths
from wan_render.plan.seeds import DEFAULT_SEED
from wan_render.take import AnyPlate, Leg, Lora, Sampling, Size, Take


@dataclass(frozen=True)
class Ends:
    """What a take begins and ends on, and passes through."""

    first: AnyPlate | None = None
    last: AnyPlate | None = None
    through: tuple[Leg, ...] = ()


@dataclass(frozen=True)
class Resolver:
    """Makes takes of one film for one backend. is_draft: at the profile `draft`, whatever is written."""

    backend: str
    size: Size
    findings: Findings
    loras: Loras
    lengths: PromptLengths
    is_draft: bool = False

    def take(self, settings: Settings, modelled: Modelled, prompt: str, frames: int, ends: Ends) -> Take:
        """Take 1 with every setting resolved. Mistakes and warnings about them are told."""
        banned = self._negative(settings, modelled)
        for text in (prompt, *(leg.prompt for leg in ends.through)):
            self.lengths.warn(modelled.card, "prompt", text, settings.place)
        self.lengths.warn(modelled.card, "negative prompt", banned, settings.place)
        seed = settings.common("seed")
        loras, sampling = self._look(settings, modelled)
        return Take(
            backend=self.backend,
            model=modelled.card.identity,
            first=ends.first,
            last=ends.last,
            prompt=prompt,
            negative=banned,
            frames=frames,
            size=self.size,
            rate=modelled.card.rate,
            seed=DEFAULT_SEED if seed is None else seed.value,
            sampling=sampling,
            loras=loras,
            through=ends.through,
        )

    def _look(self, settings: Settings, modelled: Modelled) -> tuple[tuple[Lora, ...], Sampling]:
        """LoRAs and how the model is sampled, which a draft brings along."""
        own = self.loras.of(settings, modelled)
        profile = DRAFT if self.is_draft else _profile(settings)
        if profile != DRAFT:
            return own, sampling_of(modelled, profile, self.findings)
        sampling = draft_sampling(modelled, settings, self.findings)
        return distilled(modelled, own, settings, self.findings), sampling

    @staticmethod
    def _negative(settings: Settings, modelled: Modelled) -> str:
        told = settings.common("negative")
        official = modelled.card.kinds[modelled.kind].negative
        return negative(None if told is None else told.value, official, settings.avoid)


def _profile(settings: Settings) -> str:
    told = settings.common("profile")
    return "exact" if told is None else str(told.value)
