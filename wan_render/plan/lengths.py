"""The length of a take: frames on its model's grid, from screen time. Neighbouring shots do not change it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.authored import NARRATION, PathInFile, Time
from wan_render.model_card import ModelCard
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited, Level, Setting
from wan_render.plan.roles import kind_of
from wan_render.take import ShotKind

DEFAULT_DURATION = Time(seconds=Fraction(5))


@dataclass(frozen=True)
class PlannedLength:
    """seconds: the screen time as written. frames: those of its take, both ends included; 0 if no model renders it."""

    seconds: Fraction
    frames: int = 0


def length(
    inherited: Inherited,
    card: ModelCard | None,
    written_rate: Fraction,
    narrated: Fraction | None,
    findings: Findings,
) -> PlannedLength:
    """Screen time and frames of a shot. card: None without a model. written_rate: frames per second in `81f`.
    narrated: when the shot's narration ends, in seconds; None without one."""
    duration = _duration(inherited, narrated, findings)
    seconds = duration.value.at(written_rate)
    if card is None:
        return PlannedLength(seconds)
    fixed: Setting[int] | None = inherited.common("frames")
    if fixed is None:
        frames = frames_for(seconds, card)
        place = duration.place
    else:
        frames, place = _on_grid(fixed, _fewest(inherited, card), card, findings), fixed.place
        seconds = _within(seconds, frames, fixed, duration, card, findings)
    if not inherited.shot.through:  # with `through`, the length of each segment is checked instead
        _check_trained_length(frames, card, place, findings)
    return PlannedLength(seconds, frames)


def _duration(inherited: Inherited, narrated: Fraction | None, findings: Findings) -> Setting[Time]:
    """The screen time as written or inherited. Shots without a narration do not inherit `duration: narration`."""
    default = Setting(DEFAULT_DURATION, inherited.place, Level.NOWHERE)
    written = inherited.duration
    if written is None:
        return default
    if written.value != NARRATION:
        return Setting(written.value, written.place, written.level)
    if narrated is not None and narrated > 0:
        return Setting(Time(seconds=narrated), written.place, written.level)
    if written.level is Level.SHOT and not inherited.shot.narration:
        findings.error(written.place, "the shot has no narration", "a shot with `narration`", "add it, or write a time")
    return default


def frames_for(seconds: Fraction, card: ModelCard) -> int:
    """4·ceil(seconds·rate/4) + 1, with the model's own step and rate, or its shortest take."""
    return max(card.frame_step * (seconds * card.rate / card.frame_step).__ceil__() + 1, card.fewest_frames)


def _fewest(inherited: Inherited, card: ModelCard) -> int:
    """Frames of the shortest take: two keyframes need two frames, and the grid starts at 1."""
    return max(card.frame_step + 1 if kind_of(inherited.shot) is ShotKind.FLF2V else 1, card.fewest_frames)


def _on_grid(fixed: Setting[int], fewest: int, card: ModelCard, findings: Findings) -> int:
    step = card.frame_step
    if fixed.value < fewest:
        whose = card.name if card.fewest_frames == fewest > 1 else "a shot between two keyframes"
        allowed = f"{whose} has at least {fewest} frames"
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
    """Screen time of a take of fixed length: the setting nearer to the shot is used, up to the length of the take."""
    if fixed.level > duration.level:
        return Fraction(max(1, frames - 1)) / card.rate
    whole = Fraction(frames) / card.rate
    if seconds > whole:
        found = f"{float(seconds):g}s is longer than the {frames} frames of `render.frames`"
        findings.warn(duration.place, found, "", f"the shot is {float(whole):g}s long")
    return min(seconds, whole)


def _check_trained_length(frames: int, card: ModelCard, place: PathInFile, findings: Findings) -> None:
    trained = card.trained_frames
    if card.hosted is not None:  # plan.hosted_takes says how long its takes may be
        return
    if frames > 2 * trained:
        allowed = f"{card.name} was trained on {trained}; at most twice that is allowed"
        remedy = "add keyframes with `through`, or split the shot"
        findings.error(place, f"{frames} frames in one take", allowed, remedy)
    elif frames > trained:
        found = f"{frames} frames in one take, but {card.name} was trained on {trained}"
        findings.warn(place, found, "", "colours may drift; add keyframes with `through`")
