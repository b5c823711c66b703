"""make_plan: the steps of planning, in order. Each continues after a mistake, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from wan_render.authored import Document, Film, Scene, Storyboard, Time, TitleCard
from wan_render.draft_slug import draft_slug
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, Models
from wan_render.plan.clock import FilmClock, nearest_frame
from wan_render.plan.contents import Studio
from wan_render.plan.drawn_texts import lettering
from wan_render.plan.film_plan import FilmPlan, PlannedJoint, PlannedShot, PlannedTitle, Rendered, every_take
from wan_render.plan.film_sizes import delivery, raster
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
from wan_render.plan.variants import ONE_VARIANT, VariantChoice, Variants

_RATE_WITHOUT_MODELS = Fraction(16)
"""The rate of a film of only stills and cards: that of most models."""


@dataclass(frozen=True)
class _ShotInProgress:
    """A shot of the film before its time is known. modelled: None if no model renders it."""

    inherited: Inherited
    role: ShotRole
    modelled: Modelled | None


def make_plan(
    document: Document,
    *,
    models: Models,
    backend_id: str,
    cache: FactCache,
    kept: PinnedClips = no_pinned_clips,
    draft: bool = False,
    variants: VariantChoice = ONE_VARIANT,
) -> FilmPlan:
    """The plan of a whole film.

    document:   from `read_storyboard`: values are in range, names are known, shots are consistent; or from
                `read_as_far_as_possible`, with mistakes.
    backend_id: `animatic/1`.
    kept:       finds the clip of a pin. A shot that continues a pinned one begins on that clip's last frame.
    draft:      plans the same shots, takes and seeds with the profile `draft` and another slug. Circles and pins belong
                to the final film and are ignored.
    variants:   how profiles are computed where the film is rendered.
    Raises StoryboardError with every mistake of meaning and every mistake of the document, each with its place.
    """
    findings, storyboard = Findings(document), document.storyboard
    size = raster(storyboard.film)
    delivered = delivery(storyboard.film, size, findings)
    cast, omitted = _cast(storyboard)
    if not cast:
        findings.raise_errors()
        findings.error(("scenes",), "every shot is omitted", "a film has one shot or more", "delete a `status: omit`")
        findings.raise_errors()
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
    studio = Studio(resolver, Keyframes(size, cache, findings), Painter(resolver, chooser), kept)
    drafts = _drafts(cast, chooser)
    rates = _rates(storyboard.film, drafts)
    check_timecodes(storyboard, rates.written, findings)
    opening, shots, closing = _laid_out(storyboard, drafts, rates, studio)
    studio.keyframes.warn_of_cropping()
    warn_of_slates(shots, findings)
    _warn_of_unused_keyframes(storyboard, findings)
    warn_of_other_syntax(storyboard, findings)
    warn_of_ignored(cast, rates, findings)
    findings.raise_errors()
    cards = _models_used(drafts, shots) | studio.painter.cards
    takes = every_take(shots, studio.painter.takes)
    for take in takes:
        resolver.lengths.remark(cards[take.model], take)
    resolver.loras.remark_on(takes)
    return FilmPlan(
        title=storyboard.film.title,
        slug=draft_slug(storyboard.film.slug) if draft else storyboard.film.slug,
        file=document.file,
        backend=backend_id,
        size=size,
        delivery=delivered,
        fit=storyboard.film.fit,
        rate=rates.film,
        fade_in=_film_frames(storyboard.film.fade_in, rates),
        fade_out=_film_frames(storyboard.film.fade_out, rates),
        opening=opening,
        shots=shots,
        closing=closing,
        omitted=omitted,
        pictures=studio.keyframes.files,
        models=cards,
        warnings=findings.warnings,
        notes=findings.notes,
        remarks=findings.remarks,
        cropped=studio.keyframes.cropped,
        paintings=studio.painter.takes,
        loras=resolver.loras.files,
        applied_loras=tuple(resolver.loras.applied),
        gpus=asked_gpus(cast, shots, storyboard, studio.painter.takes),
        lettering=lettering(opening, shots, closing, document),
    )


def _cast(storyboard: Storyboard) -> tuple[tuple[Inherited, ...], dict[str, tuple[int, int]]]:
    """The shots of the film; and id → (scene, shot) of those that are omitted."""
    written = [
        Inherited(storyboard, (at, place))
        for at, scene in enumerate(storyboard.scenes)
        for place in range(len(scene.shots))
    ]
    kept = tuple(inherited for inherited in written if not inherited.omitted)
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


def _laid_out(
    storyboard: Storyboard, drafts: Sequence[_ShotInProgress], rates: Rates, studio: Studio
) -> tuple[tuple[PlannedTitle, ...], tuple[PlannedShot, ...], tuple[PlannedTitle, ...]]:
    """Titles and shots, laid one after the other on the film's clock."""
    opening, clock = _titles(storyboard.titles.open, FilmClock(rates.film), rates)
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
        before = shots[-1] if shots else None
        shots.append(_planned(draft, timed, shown, joint, before, rates, studio))
    _warn_of_longer_shots(longer, findings)
    check_room(shots, [draft.inherited.transition for draft in drafts], findings)
    closing, clock = _titles(storyboard.titles.close, clock, rates)
    _check_fades(storyboard.film, rates, clock.at, findings)
    return opening, tuple(shots), closing


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


def _titles(cards: Sequence[TitleCard], clock: FilmClock, rates: Rates) -> tuple[tuple[PlannedTitle, ...], FilmClock]:
    planned = []
    for card in cards:
        seconds = card.for_.at(rates.written)
        frames = max(1, clock.frames_until(seconds))
        planned.append(PlannedTitle(card.text, frames))
        clock = clock.after(seconds, frames)
    return tuple(planned), clock


def _check_fades(film: Film, rates: Rates, frames: int, findings: Findings) -> None:
    if findings.mistaken:  # a film with a mistake may have no length to compare with
        return
    for key, time in (("fade_in", film.fade_in), ("fade_out", film.fade_out)):
        if (fade := _film_frames(time, rates)) > frames:
            found = f"{fade} frames, but the film has {frames}"
            findings.error(("film", key), found, "a fade is at most as long as the film", "make it shorter")


def _film_frames(time: Time | None, rates: Rates) -> int:
    return 0 if time is None else nearest_frame(time.at(rates.written) * rates.film)


def _models_used(drafts: Sequence[_ShotInProgress], shots: Sequence[PlannedShot]) -> dict[str, ModelCard]:
    return {
        draft.modelled.card.identity: draft.modelled.card
        for draft, shot in zip(drafts, shots, strict=True)
        if draft.modelled is not None and isinstance(shot.content, Rendered)
    }


def _warn_of_unused_keyframes(storyboard: Storyboard, findings: Findings) -> None:
    """Warn about keyframes that no shot names. Omitted shots count as using theirs."""
    used = set[str | None]()
    for scene in storyboard.scenes:
        used |= _named(scene)
    unused = [name for name in storyboard.keyframes if name not in used]
    listed = [name for name in unused if ("keyframes", name) not in findings.document.marks]
    for name in unused:
        if name not in listed:
            findings.warn(("keyframes", name), f"no shot uses the keyframe {name}", "", "use it or delete it")
    if listed:
        names = ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
        findings.warn(("keyframes",), f"no shot uses these pictures of the folder: {names}")


def _named(scene: Scene) -> set[str | None]:
    ends = {name for shot in scene.shots for name in (shot.from_, shot.to, shot.still)}
    return ends | {waypoint.keyframe for shot in scene.shots for waypoint in shot.through}
