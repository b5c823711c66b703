"""The profile `balanced`: `fast`, with seven eighths of the steps, of which the first three quarters are guided.

On a model that has learnt something, this came nearer to the full result than fewer steps at its speed
(docs/decisions/0061-balanced-leaves-guidance-out-late.md). It takes about the time of three quarters of the steps,
which is what it is for takes without guidance.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from wan_render.authored import PathInFile
from wan_render.plan.findings import Findings
from wan_render.plan.model_choice import Modelled, sampling_of
from wan_render.take import Sampling

BALANCED, FAST = "balanced", "fast"
SHARE, GUIDED_SHARE = Fraction(7, 8), 0.75
UNGUIDED_SHARE = Fraction(3, 4)
"""Of the steps, if none is guided."""


def balanced_sampling(modelled: Modelled, place: PathInFile, findings: Findings) -> Sampling:
    """The numbers of `fast` with fewer steps, also of steps that were written. A distilled model has no step to spare.

    place: where the profile was written, for the note that says so.
    """
    full = sampling_of(modelled, FAST, findings)
    found = full if modelled.card.is_distilled else _shortened(full)
    findings.note(place, f"profile balanced is fast with {counted_steps(found)}; fast has {full.steps}")
    return found


def counted_steps(sampling: Sampling) -> str:
    """`26 steps, of which the first 20 are guided`; `22 steps` if guidance is the same in all of them."""
    steps = f"{sampling.steps} step{'' if sampling.steps == 1 else 's'}"
    guided = sampling.guided_steps
    return steps if guided == sampling.steps else f"{steps}, of which the first {guided} are guided"


def _shortened(full: Sampling) -> Sampling:
    share = SHARE if full.is_guided else UNGUIDED_SHARE
    shorter = replace(full, steps=max(1, round(share * full.steps)))
    return replace(shorter, guided_share=GUIDED_SHARE) if full.is_guided else shorter
