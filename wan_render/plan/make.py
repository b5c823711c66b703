"""make_plan: the steps of planning, in order. Each continues after a mistake, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from wan_render.authored import Document, Storyboard
from wan_render.draft_slug import draft_slug
from wan_render.extension.prompt_file import NO_PROMPTS, KnownPrompts
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, Models
from wan_render.plan.bridges import BridgeBuilder
from wan_render.plan.contents import Studio
from wan_render.plan.crop_focus import crop_focus
from wan_render.plan.deliverable import ONLY_THE_FILM
from wan_render.plan.drawn_texts import lettering
from wan_render.plan.evened_shots import check_evening
from wan_render.plan.extended_prompts import FilmPrompts
from wan_render.plan.film_ends import in_film_frames
from wan_render.plan.film_plan import FilmPlan, PlannedShot, every_take
from wan_render.plan.film_rate import film_rates
from wan_render.plan.film_sizes import delivery, raster
from wan_render.plan.film_take import NO_CHECKS, TakeChecks
from wan_render.plan.film_upscaling import FilmUpscaling, film_upscaling
from wan_render.plan.findings import Findings
from wan_render.plan.footage import FilmFootage
from wan_render.plan.gpus import asked_gpus
from wan_render.plan.handed_latents import Handover, HandsLatents, no_latents
from wan_render.plan.hosted_choices import hosted_choices
from wan_render.plan.hosted_takes import check_budget
from wan_render.plan.inherit import Inherited
from wan_render.plan.joints import Rates
from wan_render.plan.keyframe_plates import Keyframes
from wan_render.plan.laid_out import LaidOutFilm, begun_shots, laid_out, models_used
from wan_render.plan.later import warn_of_slates
from wan_render.plan.loras import Loras
from wan_render.plan.model_choice import Chooser
from wan_render.plan.other_syntax import warn_of_other_syntax
from wan_render.plan.paintings import Painter
from wan_render.plan.placed_sounds import FilmSounds
from wan_render.plan.planned_deliverables import FfmpegFeatures, film_deliverables
from wan_render.plan.previous import PinnedClips, no_pinned_clips
from wan_render.plan.prompt_length import PromptLengths
from wan_render.plan.resolve import Resolver
from wan_render.plan.retiming import check_retimer, retimer, warn_of_retiming
from wan_render.plan.sound_spans import sound_spans
from wan_render.plan.timecodes import check_timecodes
from wan_render.plan.unused_keyframes import warn_of_unused_keyframes
from wan_render.plan.variants import ONE_VARIANT, VariantChoice, Variants
from wan_render.purchase import Allowance
from wan_render.sound import NO_MADE_SOUNDS, MadeSounds
from wan_render.take import Size
from wan_render.upscaling import LANCZOS


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
    made_sounds: MadeSounds = NO_MADE_SOUNDS,
    prompts: KnownPrompts = NO_PROMPTS,
    ffmpeg: FfmpegFeatures | None = None,
    in_cloud: Collection[str] = (),
    hands_latents: HandsLatents = no_latents,
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
    made_sounds: sounds from words that were made. prompts: those that a language model extended.
    ffmpeg:     what this machine's ffmpeg has; None if deliverables are not checked against it.
    in_cloud:   ids of shots that the model of their `cloud` renders instead of their own; see FilmPlan.cloud_shots.
    hands_latents: the models whose latents `render: {previous: latents}` can continue.
    Raises StoryboardError with every mistake of meaning and every mistake of the document, each with its place.
    """
    findings, storyboard = Findings(document), document.storyboard
    size = raster(storyboard.film)
    delivered = delivery(storyboard.film, size, findings)
    upscaling = film_upscaling(storyboard.film, size, delivered, cache, findings)
    cast, omitted = _cast(storyboard, findings)
    chooser = Chooser(models, size, findings, is_draft=draft)
    resolver = Resolver(
        backend_id,
        size,
        findings,
        Loras(models, cache, findings),
        PromptLengths(models, findings),
        Variants(variants, findings),
        draft,
    )
    hosted = {} if draft else hosted_choices(cast, chooser)
    drafts = begun_shots(cast, chooser, {name: hosted[name] for name in hosted if name in in_cloud})
    footage = FilmFootage(size, size if upscaling is None else delivered, delivered, cache, findings)
    rates = film_rates(drafts, footage, findings)
    check_timecodes(storyboard, rates.written, findings)
    sounds = FilmSounds(rates.written, cache, findings, made_sounds)
    painter = Painter(resolver, chooser)
    keyframes = Keyframes(size, cache, findings)
    extended = FilmPrompts(cast, prompts, keyframes, size, findings)
    handover = Handover(backend_id, hands_latents, kept, findings)
    studio = Studio(resolver, keyframes, painter, sounds, footage, extended, kept, handover, checks)
    timeline = laid_out(storyboard, drafts, rates, studio)
    own = footage.sounds(
        {inherited.id: inherited for inherited in cast},
        {shot.id: shot.frames / rates.film for shot in timeline.shots},
        rates.written,
    )
    sounds.place(sound_spans(storyboard, timeline.opening, cast, timeline.shots, timeline.closing, rates, own))
    _warn(timeline.shots, rates, studio)
    named = [choice.value.name for choice in hosted.values()]
    may_render = [draft.modelled.card for draft in drafts if draft.modelled is not None]
    check_budget(storyboard.film, (*may_render, *(models.card(name) for name in named if name)), findings)
    deliverables = ONLY_THE_FILM
    if not draft:
        deliverables = film_deliverables(storyboard.film, size, delivered, rates, timeline.frames, ffmpeg, findings)
    bridged, of_bridges = BridgeBuilder(resolver, chooser, kept, rates.film).bridged(cast, timeline.shots)
    findings.raise_errors()
    cards = models_used(drafts, timeline.shots) | studio.painter.cards | of_bridges
    takes = every_take(bridged, studio.painter.takes)
    for take in takes:
        resolver.lengths.remark(cards[take.model], take)
    resolver.loras.remark_on(takes)
    if upscaling is None and footage.is_finer:
        upscaling = FilmUpscaling(LANCZOS, None)
    gpus = asked_gpus(cast, timeline.shots, storyboard, studio.painter.takes)
    plan = _film_plan(replace(timeline, shots=bridged), rates, delivered, upscaling, omitted, cards, gpus, studio)
    if deliverables.is_cropped:
        focus = crop_focus(bridged, rates.film, studio.keyframes, studio.footage)
        deliverables = replace(deliverables, focus=focus)
    return replace(plan, deliverables=deliverables, cloud_shots=tuple(hosted))


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


def _warn(shots: Sequence[PlannedShot], rates: Rates, studio: Studio) -> None:
    """The warnings that need the whole film."""
    findings = studio.resolver.findings
    storyboard = findings.document.storyboard
    studio.keyframes.warn_of_cropping()
    warn_of_slates(shots, findings)
    warn_of_unused_keyframes(storyboard, findings)
    warn_of_other_syntax(storyboard, findings)
    warn_of_retiming(shots, rates.film, findings)
    check_evening(shots, findings)
    check_retimer(shots, findings)


def _film_plan(
    timeline: LaidOutFilm,
    rates: Rates,
    delivered: Size,
    upscaling: FilmUpscaling | None,
    omitted: Mapping[str, tuple[int, int]],
    cards: Mapping[str, ModelCard],
    gpus: Mapping[str, int],
    studio: Studio,
) -> FilmPlan:
    resolver, keyframes, sounds, findings = studio.resolver, studio.keyframes, studio.sounds, studio.resolver.findings
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
        upscale=upscaling.value if upscaling is not None else None,
        upscaler=upscaling.weights if upscaling is not None else None,
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
        sounds=tuple(sounds.planned),
        sound_files=sounds.files,
        soundtrack=sounds.soundtrack,
        retime=film.rate.method,
        retimer=retimer(film, timeline.shots),
        lettering=lettering(timeline.opening, timeline.shots, timeline.closing, timeline.subtitles, document),
        subtitles=timeline.subtitles,
        language=film.language or "",
        dissolves=film.dissolves,
        match_colours=film.match_colours == "on",
        repair_jumps=film.repair_jumps == "on",
        ease_joints=film.ease_joints == "on",
        footage=studio.footage.files,
        unmade_sounds=tuple(sounds.unmade.values()),
        prompts=studio.prompts.planned,
        allowance=Allowance().at_most(film.budget, "film.budget"),
    )
