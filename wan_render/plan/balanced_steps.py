"""The profile `balanced`: `fast`, with three quarters of the steps.

It was `fast` that skips blocks in steps that change little. On a model that has learnt something, fewer steps came
nearer to the full result at the same speed (docs/decisions/0056-balanced-takes-fewer-steps.md).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from wan_render.authored import PathInFile
from wan_render.plan.findings import Findings
from wan_render.plan.model_choice import Modelled, sampling_of
from wan_render.take import Sampling

BALANCED, FAST = "balanced", "fast"
SHARE = Fraction(3, 4)


def balanced_sampling(modelled: Modelled, place: PathInFile, findings: Findings) -> Sampling:
    """The numbers of `fast` with fewer steps, also of steps that were written. A distilled model has no step to spare.

    place: where the profile was written, for the note that says so.
    """
    full = sampling_of(modelled, FAST, findings)
    found = full if modelled.card.is_distilled else replace(full, steps=max(1, round(SHARE * full.steps)))
    findings.note(place, f"profile balanced is fast with {found.steps} of {full.steps} steps")
    return found
