"""make_plan: the steps of planning, in order. Each continues after a mistake, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from wan_render.authored import PREVIOUS, Document, Film, Storyboard
from wan_render.draft_slug import draft_slug
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, Models
from wan_render.plan.clock import FilmClock
from wan_render.plan.contents import Studio
from wan_render.plan.continued import with_continued_take
from wan_render.plan.drawn_texts import lettering
from wan_render.plan.film_ends import check_fades, in_film_frames, titles
from wan_render.plan.film_plan import FilmPlan, PlannedJoint, PlannedShot, PlannedTitle, Rendered, every_take
from wan_render.plan.film_sizes import delivery, raster
from wan_render.plan.film_take import NO_CHECKS, TakeChecks
from wan_render.plan.findings import Findings
from wan_render.plan.gpus import asked_gpus
from wan_render.plan.inherit import Inherited
from wan_render.plan.joints import Rates, ShotInCut, check_room, joints
from wan_render.plan.keyframe_plates import Keyframes
from wan_render.plan.later import reason_not_yet, warn_of_ignored, warn_of_slates
from wan_render.plan.lengths import PlannedLength, length
from wan_render.plan.loras import Loras
from wan_render.plan.model_choice import Chooser, Modelled
from wan_render.plan.other_syntax import warn_of_other_syntax
from wan_render.plan.paintings import Painter
from wan_render.plan.previous import PinnedClips, no_pinned_clips
from wan_render.plan.prompt_length import PromptLengths
from wan_render.plan.resolve import Resolver
from wan_render.plan.roles import ShotRole, kind_of, role_of
from wan_render.plan.shown_frames import Shown, Span, lay, lengthened, take_in_film_frames
from wan_render.plan.timecodes import check_timecodes
from wan_render.plan.unused_keyframes import warn_of_unused_keyframes
from wan_render.plan.variants import ONE_VARIANT, VariantChoice, Variants
from wan_render.take import Size

_RATE_WITHOUT_MODELS = Fraction(16)
"""The rate of a film of only stills and cards: that of most models."""


@dataclass(frozen=True)
class _ShotInProgress:
    """A shot of the film before its time is known. modelled: None if no model renders it."""

    inherited: Inherited
    role: ShotRole
    modelled: Modelled | None


@dataclass(frozen=True)
class _Timeline:
    """The film on its clock. opening, closing: title cards."""

    opening: tuple[PlannedTitle, ...]
    shots: tuple[PlannedShot, ...]
    closing: tuple[PlannedTitle, ...]


def make_plan(
    document: Document,
    *,
    models: Models,
    backend_id: str,
    cache: FactCache,
    kept: PinnedClips = no_pinned_clips,
    checks: TakeChecks = NO_CHECKS,
    draft: bool = False,
    variants: VariantChoice = ONE_VARIANT,
) -> FilmPlan:
    """The plan of a whole film.

    document:   from `read_storyboard`: values are in range, names are known, shots are consistent; or from
                `read_as_far_as_possible`, with mistakes.
    backend_id: `animatic/1`.
    kept:       finds the clip of a pin. A shot that continues a pinned one begins on that clip's last frame.
    checks:     what is known of takes in the store, and how many more a shot gets after failed ones.
    draft:      plans the same shots, takes and seeds with the profile `draft` and another slug. Circles and pins belong
                to the final film and are ignored.
    variants:   how profiles are computed where the film is rendered.
    Raises StoryboardError with every mistake of meaning and every mistake of the document, each with its place.
    """
    findings, storyboard = Findings(document), document.storyboard
    size = raster(storyboard.film)
    delivered = delivery(storyboard.film, size, findings)
    cast, omitted = _cast(storyboard, findings)
    chooser = Chooser(models, size, findings)
    resolver = Resolver(
        backend_id,
        size,
        findings,
        Loras(models, cache, findings),
        PromptLengths(models, findings),
        Variants(variants, findings),
        draft,
    )
    studio = Studio(resolver, Keyframes(size, cache, findings), Painter(resolver, chooser), kept, checks)
    drafts = _drafts(cast, chooser)
    rates = _rates(storyboard.film, drafts)
    check_timecodes(storyboard, rates.written, findings)
    timeline = _laid_out(storyboard, drafts, rates, studio)
    _warn(cast, timeline.shots, rates, studio)
    findings.raise_errors()
    cards = _models_used(drafts, timeline.shots) | studio.painter.cards
    takes = every_take(timeline.shots, studio.painter.takes)
    for take in takes:
        resolver.lengths.remark(cards[take.model], take)
    resolver.loras.remark_on(takes)
    gpus = asked_gpus(cast, timeline.shots, storyboard, studio.painter.takes)
    return _film_plan(timeline, rates, delivered, omitted, cards, gpus, studio)


def _cast(storyboard: Storyboard, findings: Findings) -> tuple[tuple[Inherited, ...], dict[str, tuple[int, int]]]:
    """The shots of the film, at least one; and id → (scene, shot) of those that are omitted."""
    written = [
        Inherited(storyboard, (at, place))
        for at, scene in enumerate(storyboard.scenes)
        for place in range(len(scene.shots))
    ]
    kept = tuple(inherited for inherited in written if not inherited.omitted)
    if not kept:
        findings.raise_errors()
        findings.error(("scenes",), "every shot is omitted", "a film has one shot or more", "delete a `status: omit`")
        findings.raise_errors()
    return kept, {inherited.id: inherited.index for inherited in written if inherited.omitted}


def _drafts(kept: Sequence[Inherited], chooser: Chooser) -> tuple[_ShotInProgress, ...]:
    def draft(inherited: Inherited) -> _ShotInProgress:
        role = role_of(inherited.shot)
        modelled = chooser.choose(inherited, kind_of(inherited.shot)) if role is ShotRole.RENDER else None
        return _ShotInProgress(inherited, role, modelled)

    return tuple(map(draft, kept))


def _rates(film: Film, drafts: Sequence[_ShotInProgress]) -> Rates:
    """The rates of the film: the written one if any of its models has it, else that of its first model."""
    native = [draft.modelled.card.rate for draft in drafts if draft.modelled is not None]
    first = native[0] if native else _RATE_WITHOUT_MODELS
    if film.rate == "native":
        return Rates(film=first, written=first)
    written = Fraction(film.rate)
    return Rates(film=written if written in native or not native else first, written=written)


def _laid_out(storyboard: Storyboard, drafts: Sequence[_ShotInProgress], rates: Rates, studio: Studio) -> _Timeline:
    """Titles and shots, laid one after the other on the film's clock."""
    opening, clock = titles(storyboard.titles.open, FilmClock(rates.film), rates)
    findings = studio.resolver.findings
    met = joints([ShotInCut(draft.inherited, draft.role) for draft in drafts], rates, findings)
    shots: list[PlannedShot] = []
    longer: list[tuple[_ShotInProgress, Fraction, Fraction]] = []
    for draft, joint in zip(drafts, met, strict=True):
        card = draft.modelled.card if draft.modelled is not None else None
        timed = length(draft.inherited, card, rates.written, findings)
        take = take_in_film_frames(timed.frames, card.rate, rates.film) if card is not None else 0
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
    return _Timeline(opening, tuple(shots), closing)


def _planned(
    draft: _ShotInProgress,
    timed: PlannedLength,
    shown: Shown,
    joint: PlannedJoint | None,
    before: PlannedShot | None,
    rates: Rates,
    studio: Studio,
) -> PlannedShot:
    inherited, shot, modelled = draft.inherited, draft.inherited.shot, draft.modelled
    not_yet = reason_not_yet(draft.role, modelled, rates)
    if modelled is None:
        content = studio.unrendered(inherited, draft.role, not_yet)
    else:
        content = studio.rendered(inherited, modelled, timed, before, rates.written, not_yet)
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
    )


def _warn_of_longer_shots(longer: Sequence[tuple[_ShotInProgress, Fraction, Fraction]], findings: Findings) -> None:
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


def _warn(cast: Sequence[Inherited], shots: Sequence[PlannedShot], rates: Rates, studio: Studio) -> None:
    """The warnings that need the whole film."""
    findings = studio.resolver.findings
    storyboard = findings.document.storyboard
    studio.keyframes.warn_of_cropping()
    warn_of_slates(shots, findings)
    warn_of_unused_keyframes(storyboard, findings)
    warn_of_other_syntax(storyboard, findings)
    warn_of_ignored(cast, rates, findings)


def _film_plan(
    timeline: _Timeline,
    rates: Rates,
    delivered: Size,
    omitted: Mapping[str, tuple[int, int]],
    cards: Mapping[str, ModelCard],
    gpus: Mapping[str, int],
    studio: Studio,
) -> FilmPlan:
    resolver, keyframes, findings = studio.resolver, studio.keyframes, studio.resolver.findings
    document, film = findings.document, findings.document.storyboard.film
    return FilmPlan(
        title=film.title,
        slug=draft_slug(film.slug) if resolver.is_draft else film.slug,
        file=document.file,
        backend=resolver.backend,
        size=resolver.size,
        delivery=delivered,
        fit=film.fit,
        rate=rates.film,
        fade_in=in_film_frames(film.fade_in, rates),
        fade_out=in_film_frames(film.fade_out, rates),
        priority=film.priority,
        opening=timeline.opening,
        shots=timeline.shots,
        closing=timeline.closing,
        omitted=omitted,
        pictures=keyframes.files,
        models=cards,
        warnings=findings.warnings,
        notes=findings.notes,
        remarks=findings.remarks,
        cropped=keyframes.cropped,
        paintings=studio.painter.takes,
        loras=resolver.loras.files,
        applied_loras=tuple(resolver.loras.applied),
        gpus=gpus,
        lettering=lettering(timeline.opening, timeline.shots, timeline.closing, document),
    )


def _models_used(drafts: Sequence[_ShotInProgress], shots: Sequence[PlannedShot]) -> dict[str, ModelCard]:
    return {
        draft.modelled.card.identity: draft.modelled.card
        for draft, shot in zip(drafts, shots, strict=True)
        if draft.modelled is not None and isinstance(shot.content, Rendered)
    }
