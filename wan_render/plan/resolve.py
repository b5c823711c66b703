"""Settings → a take, for shots and painted keyframes alike."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.authored import PathInFile
from wan_render.plan.balanced_steps import BALANCED, balanced_sampling, counted_steps
from wan_render.plan.drafts import DRAFT, distilled, draft_sampling
from wan_render.plan.findings import Findings
from wan_render.plan.hosted_takes import check_hosted
from wan_render.plan.inherit import Setting, Settings
from wan_render.plan.loras import Loras
from wan_render.plan.model_choice import Modelled, sampling_of
from wan_render.plan.prompt import negative
from wan_render.plan.prompt_length import PromptLengths
from wan_render.plan.seeds import DEFAULT_SEED
from wan_render.plan.unsupported import check_unsupported
from wan_render.plan.variants import Variants
from wan_render.take import AnyPlate, Leg, Lora, Sampling, Size, Take


@dataclass(frozen=True)
class Ends:
    """The plates that a take begins on, ends on and passes through."""

    first: AnyPlate | None = None
    last: AnyPlate | None = None
    through: tuple[Leg, ...] = ()


@dataclass(frozen=True)
class Resolver:
    """Makes takes of one film. backend: the id of the one that renders models which name none. is_draft: with the
    profile `draft`, whatever is written."""

    backend: str
    size: Size
    findings: Findings
    loras: Loras
    lengths: PromptLengths
    variants: Variants
    is_draft: bool = False

    def settled(self, settings: Settings, take: Take) -> Take:
        """A take in the variant of its profile that this film uses; see Variants.settled."""
        if take.backend != self.backend:
            return take
        found = self.variants.settled(take, self._place_of_profile(settings), self._asked_variant(settings))
        if _profile(settings) == BALANCED and not self.is_draft:
            self.findings.remark(found.key, f"profile balanced: fast, with {counted_steps(found.sampling)}")
        return found

    def quietly_settled(self, settings: Settings, take: Take) -> Take:
        """As `settled`, without a word: for a take that may not be wanted."""
        if take.backend != self.backend:
            return take
        asked = self._asked_variant(settings)
        return self.variants.quietly_settled(take, None if asked is None else asked.value)

    def _asked_variant(self, settings: Settings) -> Setting[str] | None:
        """What `variant` says; nothing for --draft, which has a profile of its own."""
        return None if self.is_draft else settings.common("variant")

    def _place_of_profile(self, settings: Settings) -> PathInFile:
        """Where the profile was written; the whole file if --draft sets it."""
        written = settings.common("profile")
        return () if written is None or self.is_draft else written.place

    def take(self, settings: Settings, modelled: Modelled, prompt: str, frames: int, ends: Ends) -> Take:
        """Take 1 with every setting resolved. Adds mistakes and warnings."""
        loras, sampling = self._look(settings, modelled)
        banned = self._negative(settings, modelled, sampling)
        for text in (prompt, *(leg.prompt for leg in ends.through)):
            self.lengths.warn(modelled.card, "prompt", text, settings.place)
        self.lengths.warn(modelled.card, "negative prompt", banned, settings.place)
        seed = settings.common("seed")
        check_unsupported(settings, modelled, self.findings)
        take = Take(
            backend=modelled.card.backend or self.backend,
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
        check_hosted(settings, modelled, take, self.findings)
        return take

    def _look(self, settings: Settings, modelled: Modelled) -> tuple[tuple[Lora, ...], Sampling]:
        """LoRAs and sampling. A draft has its own."""
        unsupported = modelled.card.unsupported
        own = () if "loras" in unsupported else self.loras.of(settings, modelled)
        if "profile" in unsupported:
            return own, sampling_of(modelled, "exact", self.findings)
        profile = DRAFT if self.is_draft else _profile(settings)
        if profile == BALANCED:
            return own, balanced_sampling(modelled, self._place_of_profile(settings), self.findings)
        if profile != DRAFT:
            return own, sampling_of(modelled, profile, self.findings)
        sampling = draft_sampling(modelled, settings, self.findings)
        return distilled(modelled, own, settings, self.loras), sampling

    def _negative(self, settings: Settings, modelled: Modelled, sampling: Sampling) -> str:
        """The negative prompt that reaches the model: "" if none of its experts is guided."""
        written, defaults = settings.common("negative"), modelled.card.kinds[modelled.kind]
        if (why := modelled.card.unsupported.get("negative")) is not None:
            if settings.avoid:
                self.findings.warn_for(modelled.card.name, settings.place, "look.avoid is not used", why)
            return ""
        text = negative(None if written is None else written.value, defaults.negative, settings.avoid)
        if text and not sampling.is_guided:
            self._report_unused(settings, modelled, is_own=text != defaults.negative)
            return ""
        if text and defaults.negative_note and text.startswith(defaults.negative):
            self.findings.note(_place_of_model(settings, modelled), defaults.negative_note)
        return text

    def _report_unused(self, settings: Settings, modelled: Modelled, *, is_own: bool) -> None:
        """Report that the negative prompt is not used: as a note for a draft, which never uses one, and for the
        model's default prompt; else as a warning."""
        found = "the negative prompt is not used: it has no effect with guidance of 1 or less"
        written, guidance = settings.common("negative"), modelled.settings.guidance
        if is_own and not self.is_draft and _profile(settings) != DRAFT:
            place = settings.place if written is None else written.place
            self.findings.warn(place, found, "", "write guidance above 1, or delete it")
        else:
            self.findings.note(self._place_of_profile(settings) if guidance is None else guidance.place, found)


def _profile(settings: Settings) -> str:
    written = settings.common("profile")
    return "exact" if written is None else str(written.value)


def _place_of_model(settings: Settings, modelled: Modelled) -> PathInFile:
    return settings.place if modelled.settings.model is None else modelled.settings.model.place
