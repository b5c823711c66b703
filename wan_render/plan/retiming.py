"""Shots whose model has another frame rate than the film."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from wan_render.authored import Film
from wan_render.plan.evened_shots import evened_shots
from wan_render.plan.film_plan import PlannedShot
from wan_render.plan.findings import Findings
from wan_render.settings import machine_settings
from wan_render.wheel_weights import RIFE


def retimer(film: Film, shots: Sequence[PlannedShot]) -> Path | None:
    """The file of weights with which the film's shots are retimed; None if it needs none."""
    if film.rate.method != "rife" or not (any(shot.rate for shot in shots) or evened_shots(film, shots)):
        return None
    return RIFE.file("rife", machine_settings().weights)


def check_retimer(shots: Sequence[PlannedShot], findings: Findings) -> None:
    """Add a mistake if the film needs weights that this machine does not have."""
    if retimer(findings.document.storyboard.film, shots) is None:
        return
    if (problem := RIFE.problem(machine_settings().weights)) is not None:
        place = ("film", "rate", "method")
        findings.error(place, f"{problem.where}: {problem.found}", problem.allowed, problem.remedy)


def warn_of_retiming(shots: Sequence[PlannedShot], film_rate: Fraction, findings: Findings) -> None:
    """Say which shots are retimed and how. A warning for each rate that `duplicate` cannot show evenly."""
    method = findings.document.storyboard.film.rate.method
    for rate in dict.fromkeys(shot.rate for shot in shots if shot.rate is not None):
        ids = [shot.id for shot in shots if shot.rate == rate]
        whose = ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"
        found = f"{whose}: {float(rate):g} frames per second in a film of {float(film_rate):g}"
        if method == "duplicate" and film_rate % rate:
            uneven = "frames are shown for unequal times, so motion judders"
            remedy = "write film: {rate: {method: flow}}, or a multiple of the shots' rate"
            findings.warn(("film", "rate"), found, uneven, remedy)
        else:
            findings.note(("film", "rate"), f"{found}; frames in between are made by {method}")
