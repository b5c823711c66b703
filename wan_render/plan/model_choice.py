"""Chooses the model that renders a shot or paints a keyframe, and its sampling."""

from __future__ import annotations

from dataclasses import dataclass, field

from wan_render.authored import ModelChoice, PathInFile
from wan_render.errors import InputError
from wan_render.model_card import ModelCard, Models
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import KindSettings, Setting, Settings
from wan_render.plan.model_parts import parts_of
from wan_render.take import Sampling, ShotKind, Size


@dataclass(frozen=True)
class Modelled:
    """The kind of a shot, the model that renders it, and the settings written for it. is_moved: whether a service
    renders it instead of its own model, for which everything else was written."""

    kind: ShotKind
    settings: KindSettings
    card: ModelCard
    is_moved: bool = False


@dataclass(frozen=True)
class Chooser:
    """Chooses models for one film, whose raster is `size`. is_draft: a draft costs no money, so models that cost some
    are replaced by the default."""

    models: Models
    size: Size
    findings: Findings
    is_draft: bool = False
    _of_files: dict[ModelChoice, ModelCard | None] = field(default_factory=dict)

    def choose(self, settled: Settings, kind: ShotKind, hosted: Setting[ModelChoice] | None = None) -> Modelled:
        """The named model, else the default of the kind. Checks that it can render the shot.

        hosted: a model of a service that renders the shot instead, with numbers of its own.
        """
        settings = settled.of_kind(kind) if hosted is None else KindSettings(hosted, None, None, None)
        default = self.models.default(kind, self.size)
        card = default if settings.model is None else self._named(settings.model, default)
        place = settled.place if settings.model is None else settings.model.place
        if self.is_draft and card.hosted is not None:
            self.findings.note(place, f"{card.name} costs money: the draft is rendered by {default.name}")
            card = default
        if kind not in card.kinds:
            can = ", ".join(sorted(card.kinds))
            self.findings.error(place, f"{card.name} cannot render {kind.value}", f"it can: {can}", self._able(kind))
            card = default
        self._check_size(card, place)
        return Modelled(kind, settings, card, is_moved=hosted is not None)

    def silent(self) -> Chooser:
        """One that chooses the same models and reports nothing."""
        return Chooser(self.models, self.size, Findings(self.findings.document), self.is_draft)

    def _named(self, choice: Setting[ModelChoice], default: ModelCard) -> ModelCard:
        name = choice.value.name
        if name is not None and name in self.models.names and choice.value.like is None:
            return self.models.card(name)
        if choice.value not in self._of_files:
            is_workflow = choice.value.comfyui is not None
            made = self._of_workflow if is_workflow else self._made_of_files
            self._of_files[choice.value] = made(choice)
        return self._of_files[choice.value] or default

    def _of_workflow(self, choice: Setting[ModelChoice]) -> ModelCard | None:
        from wan_render.plan.model_workflow import workflow_card  # few storyboards name one

        return workflow_card(choice.value, choice.place, self.models, self.findings)

    def _made_of_files(self, choice: Setting[ModelChoice]) -> ModelCard | None:
        parts = parts_of(choice.value, choice.place, self.models, self.findings)
        if parts is None:
            return None
        try:
            card = self.models.made_of(parts, choice.value.title)
        except InputError as error:
            for problem in error.problems:
                found = problem.found if choice.value.name else f"{problem.where}: {problem.found}"
                self.findings.error(choice.place, found, problem.allowed, problem.remedy)
            return None
        self._tell(card, choice.place)
        return card

    def _tell(self, card: ModelCard, place: PathInFile) -> None:
        """Say what a model is made from, and that it has to be converted."""
        made = card.made_from
        if made is None or card.folder is None:
            return
        for sentence in made.said:
            self.findings.note(place, sentence)
        if not card.folder.is_dir():
            found = f"{card.name} is converted before its first take: {made.bytes / 1e9:.1f} GB in {card.folder}"
            self.findings.warn(place, found, "", "`models import` does it now, and needs the files only once")

    def _able(self, kind: ShotKind) -> str:
        able = [name for name in self.models.names if kind in self.models.card(name).kinds]
        return f"write one that can: {', '.join(able)}"

    def _check_size(self, card: ModelCard, place: tuple[str | int, ...]) -> None:
        step = card.size_multiple
        if self.size.width % step or self.size.height % step:
            fitting = Size(*(max(step, round(side / step) * step) for side in (self.size.width, self.size.height)))
            allowed = f"{card.name} takes multiples of {step}"
            self.findings.error(place, f"renders at {self.size}", allowed, f"write film.raster: {fitting}")
        elif card.native_sizes and self.size not in card.native_sizes:
            found = f"{self.size} is not a documented size of all models of the film"
            self.findings.warn_for(card.name, ("film", "raster"), found)


def sampling_of(modelled: Modelled, profile: str, findings: Findings) -> Sampling:
    """The model's official numbers, replaced by those that were written."""
    settings, official = modelled.settings, modelled.card.kinds[modelled.kind].sampling
    _report_resemblance(modelled, findings)
    if modelled.card.is_distilled and settings.steps is not None and settings.steps.value > official.steps:
        found = f"{modelled.card.name} was distilled for {official.steps} steps"
        findings.error(settings.steps.place, found, f"allowed: 1 to {official.steps}", "delete `steps`")
    return Sampling(
        steps=official.steps if settings.steps is None else settings.steps.value,
        guidance=_guidance(settings.guidance, official.guidance, findings),
        shift=official.shift if settings.shift is None else float(settings.shift.value),
        profile=profile,
    )


def _report_resemblance(modelled: Modelled, findings: Findings) -> None:
    """Report which model a local folder is built like, both shifts, and which one is used: as a warning if they differ
    and the storyboard does not choose, else as a note."""
    settings, folder = modelled.settings, modelled.card.resembles
    if folder is None or settings.model is None:
        return
    taken_for = f"{modelled.card.name} is built like {folder.model}"
    if modelled.card.attention:
        findings.note(settings.model.place, f"{modelled.card.name}: {modelled.card.attention}")
    if folder.own_shift in (None, folder.shift):
        findings.note(settings.model.place, f"{taken_for}: its shift, {folder.shift:g}, is used")
        return
    if settings.shift is not None:
        written = f"shift {settings.shift.value:g} is used, as written"
        both = f"the folder's flow_shift is {folder.own_shift:g}, that model's shift {folder.shift:g}"
        findings.note(settings.model.place, f"{taken_for}; {written}; {both}")
        return
    own, others = f"{folder.own_shift:g}", f"{folder.shift:g} of {folder.model}"
    if folder.uses_own_shift:
        found = "the folder's own flow_shift is used, not the shift of the model that it is built like"
        values = f"{own}, not {others}"
    else:
        found = f"the shift of the model that the folder is built like is used, not its flow_shift, {folder.doubt}"
        values = f"{others}, not {own}"
    who = f"{settings.model.value.title} ({values})"
    findings.warn_of_each(who, settings.model.place, found, "", "write `shift:` to decide")


def _guidance(
    written: Setting[tuple[float, ...]] | None, official: tuple[float, ...], findings: Findings
) -> tuple[float, ...]:
    """One value for each expert of the model. A single written value is for all experts."""
    if written is None:
        return official
    values = tuple(map(float, written.value))
    if len(values) == 1:
        return values * len(official)
    if len(values) != len(official):
        allowed = f"the model has {len(official)}: write one value for each, or one for all"
        findings.error(written.place, f"guidance for {len(values)} experts", allowed)
    return values
