"""How long a take is: frames on its model's grid, from screen time. A neighbour never changes it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.authored import PathInFile, Time
from wan_render.model_card import ModelCard
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited, Level, Setting
from wan_render.plan.roles import kind_of
from wan_render.take import ShotKind

DEFAULT_DURATION = Time(seconds=Fraction(5))


@dataclass(frozen=True)
class PlannedLength:
    """seconds: screen time that is asked for. frames: of its take, both ends included; 0 where no model renders it."""

    seconds: Fraction
    frames: int = 0


def length(inherited: Inherited, card: ModelCard | None, told_rate: Fraction, findings: Findings) -> PlannedLength:
    """Screen time and the frames of the take; `told_rate` is what `81f` counts, `card` is None without a model."""
    duration = inherited.duration or Setting(DEFAULT_DURATION, inherited.place, Level.NOWHERE)
    seconds = duration.value.at(told_rate)
    if card is None:
        return PlannedLength(seconds)
    fixed: Setting[int] | None = inherited.common("frames")
    if fixed is None:
        frames = frames_for(seconds, card)
        place = duration.place
    else:
        frames, place = _on_grid(fixed, _fewest(inherited, card), card, findings), fixed.place
        seconds = _within(seconds, frames, fixed, duration, card, findings)
    if not inherited.shot.through:  # then it is each way between two keyframes that counts
        _check_trained_length(frames, card, place, findings)
    return PlannedLength(seconds, frames)


def frames_for(seconds: Fraction, card: ModelCard) -> int:
    """4·ceil(seconds·rate/4) + 1, with the model's own step and rate."""
    return card.frame_step * (seconds * card.rate / card.frame_step).__ceil__() + 1


def _fewest(inherited: Inherited, card: ModelCard) -> int:
    """Frames of the shortest take: its two keyframes are two pictures, and the grid goes in steps from 1."""
    return card.frame_step + 1 if kind_of(inherited.shot) is ShotKind.FLF2V else 1


def _on_grid(fixed: Setting[int], fewest: int, card: ModelCard, findings: Findings) -> int:
    step = card.frame_step
    if fixed.value < fewest:
        allowed = f"a shot between two keyframes has {fewest} frames or more"
        findings.error(fixed.place, f"{fixed.value} frame{'s' * (fixed.value > 1)}", allowed, f"write {fewest}")
        return fewest
    below = (fixed.value - 1) // step * step + 1
    if fixed.value != below:
        nearest = f"the nearest: {below} or {below + step}"
        findings.error(fixed.place, f"{fixed.value} frames", f"{card.name} renders {step}n + 1", nearest)
    return below


def _within(
    seconds: Fraction, frames: int, fixed: Setting[int], duration: Setting[Time], card: ModelCard, findings: Findings
) -> Fraction:
    """Screen time of a take of fixed length: the nearer of the two settings counts, and never more than there is."""
    if fixed.level > duration.level:
        return Fraction(max(1, frames - 1)) / card.rate
    whole = Fraction(frames) / card.rate
    if seconds > whole:
        found = f"{float(seconds):g}s is longer than the {frames} frames that `render.frames` asks for"
        findings.warn(duration.place, found, "", f"the shot is {float(whole):g}s long")
    return min(seconds, whole)


def _check_trained_length(frames: int, card: ModelCard, place: PathInFile, findings: Findings) -> None:
    trained = card.trained_frames
    if frames > 2 * trained:
        allowed = f"{card.name} was trained on {trained}, and twice that is the most"
        remedy = "add keyframes with `through`, or make several shots of it"
        findings.error(place, f"{frames} frames in one take", allowed, remedy)
    elif frames > trained:
        found = f"{frames} frames in one take, and {card.name} was trained on {trained}"
        findings.warn(place, found, "", "colours may drift; add keyframes with `through`")
