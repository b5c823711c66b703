"""The film on its clock: its rate, and its titles and shots one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from wan_render.authored import PREVIOUS, ModelChoice, Storyboard
from wan_render.footage.footage_part import shown_rate
from wan_render.model_card import ModelCard
from wan_render.plan.clock import FilmClock
from wan_render.plan.contents import Studio
from wan_render.plan.continued import with_continued_take
from wan_render.plan.cues import FilmSubtitles
from wan_render.plan.film_ends import check_fades, titles
from wan_render.plan.film_plan import Content, PlannedJoint, PlannedShot, PlannedTitle, Rendered
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited, Setting
from wan_render.plan.joints import Rates, ShotInCut, check_room, joints
from wan_render.plan.lengths import PlannedLength, length
from wan_render.plan.model_choice import Chooser, Modelled
from wan_render.plan.roles import ShotRole, kind_of, role_of
from wan_render.plan.shown_frames import Shown, Span, lay, lengthened, take_in_film_frames
from wan_render.plan.subtitles import on_screen, subtitles


@dataclass(frozen=True)
class ShotInProgress:
    """A shot of the film before its time is known.

    modelled: None if no model renders it. written: the model that the storyboard gives it. It is another one if a
    service renders the shot instead.
    """

    inherited: Inherited
    role: ShotRole
    modelled: Modelled | None
    written: ModelCard | None


@dataclass(frozen=True)
class LaidOutFilm:
    """The film on its clock. opening, closing: title cards. frames: of the film."""

    opening: tuple[PlannedTitle, ...]
    shots: tuple[PlannedShot, ...]
    closing: tuple[PlannedTitle, ...]
    subtitles: FilmSubtitles | None
    frames: int


def begun_shots(
    kept: Sequence[Inherited], chooser: Chooser, hosted: Mapping[str, Setting[ModelChoice]]
) -> tuple[ShotInProgress, ...]:
    """The shots of the film with their roles, and the models that render them. hosted: shot id → the model of a service
    that renders it instead of its own."""

    def draft(inherited: Inherited) -> ShotInProgress:
        role = role_of(inherited.shot)
        if role is not ShotRole.RENDER:
            return ShotInProgress(inherited, role, None, None)
        kind, service = kind_of(inherited.shot), hosted.get(inherited.id)
        modelled = chooser.choose(inherited, kind, service)
        written = modelled if service is None else chooser.silent().choose(inherited, kind)
        return ShotInProgress(inherited, role, modelled, written.card)

    return tuple(map(draft, kept))


def laid_out(storyboard: Storyboard, drafts: Sequence[ShotInProgress], rates: Rates, studio: Studio) -> LaidOutFilm:
    """Titles and shots, laid one after the other on the film's clock."""
    opening, clock = titles(storyboard.titles.open, FilmClock(rates.film), rates)
    findings = studio.resolver.findings
    met = joints([ShotInCut(draft.inherited, draft.role) for draft in drafts], rates, findings)
    shots: list[PlannedShot] = []
    longer: list[tuple[ShotInProgress, Fraction, Fraction]] = []
    for draft, joint in zip(drafts, met, strict=True):
        card = draft.modelled.card if draft.modelled is not None else None
        timed = length(draft.inherited, card, rates.written, studio.sounds.narrated(draft.inherited), findings)
        if draft.role is ShotRole.CLIP:
            timed = studio.footage.length(draft.inherited, timed, rates.written, rates.film)
        rate = _source_rate(draft, rates, studio)
        take = take_in_film_frames(timed.frames, rate, rates.film) if rate is not None else 0
        span = Span(draft.inherited, draft.role, timed, take, joint)
        shown, clock = lay(span, clock, rates, findings)
        if (seconds := lengthened(span, shown, rates)) is not None:
            longer.append((draft, *seconds))
        plan_after = partial(_planned, draft, timed, shown, joint, rates=rates, studio=studio)
        if shots and draft.inherited.shot.from_ == PREVIOUS:
            shots[-1] = with_continued_take(shots[-1], plan_after, studio.checks.judged, findings)
        shots.append(plan_after(shots[-1] if shots else None))
    _warn_of_longer_shots(longer, findings)
    check_room(shots, [draft.inherited.transition for draft in drafts], findings)
    closing, clock = titles(storyboard.titles.close, clock, rates)
    check_fades(storyboard.film, rates, clock.at, findings)
    spans = on_screen([draft.inherited for draft in drafts], opening, shots, rates)
    return LaidOutFilm(
        opening,
        tuple(shots),
        closing,
        subtitles(storyboard.film, spans, clock.at / rates.film, rates, findings),
        clock.at,
    )


def _planned(
    draft: ShotInProgress,
    timed: PlannedLength,
    shown: Shown,
    joint: PlannedJoint | None,
    before: PlannedShot | None,
    rates: Rates,
    studio: Studio,
) -> PlannedShot:
    inherited, shot, modelled = draft.inherited, draft.inherited.shot, draft.modelled
    rate = _source_rate(draft, rates, studio)
    content: Content
    if draft.role is ShotRole.CLIP:
        content = studio.footage.content(inherited, shown.frames, rates.written, rates.film)
    elif modelled is None:
        content = studio.unrendered(inherited, draft.role)
    else:
        content = studio.rendered(inherited, modelled, timed, before, rates.written)
    return PlannedShot(
        id=inherited.id,
        scene=inherited.scene.id,
        name=shot.id,
        index=inherited.index,
        where=studio.resolver.findings.document.where(*inherited.place),
        content=content,
        first=shown.first,
        frames=shown.frames,
        hold=shown.hold,
        joint=joint,
        from_name=shot.from_ or shot.still,
        to_name=shot.to,
        through_names=tuple(waypoint.keyframe for waypoint in shot.through),
        slugline=inherited.scene.slugline,
        action=shot.action,
        notes=shot.notes,
        model=modelled.card.name if modelled is not None else None,
        rate=None if rate == rates.film else rate,
    )


def _source_rate(draft: ShotInProgress, rates: Rates, studio: Studio) -> Fraction | None:
    """Frames per second of a shot's take or video file, as the film takes them; None for stills and cards."""
    if draft.modelled is not None:
        return draft.modelled.card.rate
    facts = studio.footage.facts(draft.inherited)
    return None if facts is None else shown_rate(facts, rates.film)


def _warn_of_longer_shots(longer: Sequence[tuple[ShotInProgress, Fraction, Fraction]], findings: Findings) -> None:
    """Warn once for all shots that are longer than asked. longer: each with its seconds, as asked and as shown."""
    if not longer or (modelled := longer[0][0].modelled) is None:
        return
    first, card = longer[0][0].inherited, modelled.card
    place = first.place if first.duration is None else first.duration.place
    asked, comes_to = (float(sum(seconds)) for seconds in zip(*(times for _, *times in longer), strict=True))
    whose = f"{first.id} is" if len(longer) == 1 else f"{first.id} and {len(longer) - 1} more are"
    found = f"{whose} longer than asked: {comes_to:.2f} s instead of {asked:.2f} s"
    allowed = f"a continuous joint shows the whole take, {card.frame_step}n + 1 frames"
    remedy = f"write durations in steps of {card.frame_step / card.rate} s, or end a shot with `out`"
    findings.warn(place, found, allowed, remedy)


def models_used(drafts: Sequence[ShotInProgress], shots: Sequence[PlannedShot]) -> dict[str, ModelCard]:
    """The models of all takes of the shots, by identity."""
    return {
        draft.modelled.card.identity: draft.modelled.card
        for draft, shot in zip(drafts, shots, strict=True)
        if draft.modelled is not None and isinstance(shot.content, Rendered)
    }
