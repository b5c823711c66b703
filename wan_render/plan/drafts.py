"""The profile `draft`: few steps, with distilled LoRAs."""

from __future__ import annotations

from dataclasses import replace

from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Level, Settings
from wan_render.plan.loras import Loras, applied_twice
from wan_render.plan.model_choice import Modelled
from wan_render.take import Lora, Sampling

DRAFT = "draft"

STEPS, GUIDANCE, SHIFT = 4, 1.0, 5.0
"""The numbers that the LoRAs were distilled for: time steps 1000, 750, 500 and 250 at shift 5, without guidance."""


def draft_sampling(modelled: Modelled, settings: Settings, findings: Findings) -> Sampling:
    """The numbers of a draft. Numbers that are written for other profiles are ignored; numbers for this one are warned
    about."""
    written = settings.common("profile")
    found = _numbers(modelled)
    if written is not None and written.value == DRAFT:
        for setting in (modelled.settings.steps, modelled.settings.guidance, modelled.settings.shift):
            if setting is not None and written.level <= setting.level:
                numbers = f"{found.steps} steps, guidance {found.guidance[0]:g}, shift {found.shift:g}"
                findings.warn(setting.place, f"profile draft renders with {numbers}", "", "this setting is ignored")
    return found


def _numbers(modelled: Modelled) -> Sampling:
    """Those of the LoRAs; of a model that was distilled itself, its own."""
    own = modelled.card.kinds[modelled.kind].sampling
    if modelled.card.is_distilled:
        return replace(own, profile=DRAFT)
    return Sampling(STEPS, (GUIDANCE,) * len(own.guidance), SHIFT, DRAFT)


def distilled(modelled: Modelled, own: tuple[Lora, ...], settings: Settings, loras: Loras) -> tuple[Lora, ...]:
    """The LoRAs of a draft: the model's published ones, then the storyboard's own.

    A model without published ones needs one from the storyboard: without it, four steps give noise. A model that was
    distilled itself needs none.
    """
    if modelled.card.is_distilled:
        return own
    profile, written = settings.common("profile"), settings.common("loras")
    place = profile.place if profile is not None and profile.level is not Level.NOWHERE else settings.place
    published = loras.published(modelled.card, place)
    lists_any = written is not None and any(lora.scale for lora in written.value)  # its mistakes are reported elsewhere
    if not published and not lists_any:
        found = f"no 4-step LoRA is known for {modelled.card.name}"
        loras.findings.error(place, found, "a draft needs one", "name one in render.loras, or another model")
    if applied_twice(published, own):
        found = f"profile draft already uses a LoRA of {modelled.card.name} that is also listed: its scales add up"
        loras.findings.warn(settings.place if written is None else written.place, found, "", "delete it from the list")
    return published + own
