"""Chooses the model that renders a shot or paints a keyframe, and its sampling."""

from __future__ import annotations

from dataclasses import dataclass, field

from wan_render.errors import InputError
from wan_render.model_card import ModelCard, Models
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import KindSettings, Setting, Settings
from wan_render.take import Sampling, ShotKind, Size


@dataclass(frozen=True)
class Modelled:
    """The kind of a shot, the model that renders it, and the settings written for it."""

    kind: ShotKind
    settings: KindSettings
    card: ModelCard


@dataclass(frozen=True)
class Chooser:
    """Chooses models for one film, whose raster is `size`."""

    models: Models
    size: Size
    findings: Findings
    _folders: dict[str, ModelCard | None] = field(default_factory=dict)

    def choose(self, settled: Settings, kind: ShotKind) -> Modelled:
        """The named model, else the default of the kind. Checks that it can render the shot."""
        settings = settled.of_kind(kind)
        default = self.models.default(kind, self.size)
        card = default if settings.model is None else self._named(settings.model, default)
        place = settled.place if settings.model is None else settings.model.place
        if kind not in card.kinds:
            can = ", ".join(sorted(card.kinds))
            self.findings.error(place, f"{card.name} cannot render {kind.value}", f"it can: {can}", self._able(kind))
            card = default
        self._check_size(card, place)
        return Modelled(kind, settings, card)

    def _named(self, name: Setting[str], default: ModelCard) -> ModelCard:
        if name.value in self.models.names:
            return self.models.card(name.value)
        if name.value not in self._folders:
            self._folders[name.value] = self._in_folder(name)
        return self._folders[name.value] or default

    def _in_folder(self, name: Setting[str]) -> ModelCard | None:
        try:
            return self.models.folder(self.findings.document.folder / name.value)
        except InputError as error:
            for problem in error.problems:
                self.findings.error(name.place, problem.found, problem.allowed, problem.remedy)
            return None

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
    who = f"{settings.model.value} ({values})"
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
