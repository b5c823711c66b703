"""LoRAs: files by content, which expert uses them, and whether they fit, before any weight is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wan_render.authored import LoraFile, PathInFile
from wan_render.errors import InputError, Problem
from wan_render.facts import FactCache
from wan_render.model_card import LoraFit, LoraLayers, ModelCard, Models, PublishedLora
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Settings
from wan_render.plan.lora_experts import expert_in_name, is_by_letter
from wan_render.plan.model_choice import Modelled
from wan_render.take import Lora, Take

HIGH_AND_LOW = ("high", "low")
"""The experts of a model with two, in the order of its transformers."""

_Fitted = tuple[str, LoraFit]
"""A file's SHA-256, and how it fits."""


@dataclass(frozen=True)
class AppliedLora:
    """A LoRA of the storyboard as a model uses it.

    path:    as written. model: the model's name.
    experts: each expert that uses it, `high` or `low`, with its layers; "" for a model with one transformer.
    by_part: whether the file has a part for each of two experts.
    """

    path: str
    model: str
    experts: tuple[tuple[str, LoraLayers], ...]
    by_part: bool = False

    @property
    def in_words(self) -> str:
        """`high-noise expert, 240 of 240 layers`."""
        counts = {expert: _counted(layers) for expert, layers in self.experts}
        if not self.by_part and len(counts) > 1 and len(set(counts.values())) == 1:
            return f"both experts, {next(iter(counts.values()))}"
        own = " of its own part" if self.by_part else ""
        return "; ".join(f"{_expert(expert)}, {count}{own}" if expert else count for expert, count in counts.items())

    @property
    def left_out(self) -> str:
        """`40 of 440 layers are left out: for pictures that CLIP sees, …`; "" if all are applied."""
        texts = dict.fromkeys(
            f"{sum(each.count for each in layers.left_out)} of {layers.total} layers are left out: "
            + ", ".join(each.why for each in layers.left_out)
            for _, layers in self.experts
            if layers.left_out
        )
        return "; ".join(texts)


@dataclass(frozen=True)
class Loras:
    """The LoRAs of one film. Each file is examined once for each model.

    files: SHA-256 → file. applied: in the order in which `plan` lists them.
    """

    models: Models
    cache: FactCache
    findings: Findings
    files: dict[str, Path] = field(default_factory=dict)
    applied: dict[AppliedLora, None] = field(default_factory=dict)
    _fits: dict[tuple[str, str], _Fitted | InputError] = field(default_factory=dict)
    _published: dict[tuple[str, str], LoraFit | None] = field(default_factory=dict)
    _left_out: dict[tuple[str, Lora], str] = field(default_factory=dict)

    def of(self, settings: Settings, modelled: Modelled) -> tuple[Lora, ...]:
        """The LoRAs of a shot or a painted keyframe, in the order written. Adds mistakes and warnings."""
        setting = settings.common("loras")
        if setting is None:
            return ()
        found: list[Lora] = []
        for at, written in enumerate(setting.value):
            place = (*setting.place, at)
            if written.scale == 0:
                self.findings.warn(place, f"{written.path} is not applied: its scale is 0", "", "delete it")
            elif lora := self._lora(written, modelled, place):
                self._check_repeated(lora, written.path, found, place)
                found.append(lora)
        return tuple(found)

    def published(self, card: ModelCard, place: PathInFile) -> tuple[Lora, ...]:
        """The published LoRAs of a draft. Layers are left out as their publisher intended, so that is only a note."""
        found = tuple(Lora(lora.content, 1.0, lora.expert) for lora in card.distilled)
        for lora, published in zip(found, card.distilled, strict=True):
            if (fit := self._published_fit(card, published)) is not None:
                applied = AppliedLora(published.file, card.name, _experts(lora, fit))
                self._list(applied, lora, card)
                if applied.left_out:
                    self.findings.note(place, f"{applied.path}: {applied.left_out}")
        return found

    def _published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:
        if (card.identity, lora.content) not in self._published:
            self._published[card.identity, lora.content] = self.models.published_fit(card, lora)
        return self._published[card.identity, lora.content]

    def remark_on(self, takes: Iterable[Take]) -> None:
        """Add remarks to each take: which layers of its LoRAs are left out."""
        for take in takes:
            for lora in take.loras:
                if text := self._left_out.get((take.model, lora)):
                    self.findings.remark(take.key, text)

    def _lora(self, written: LoraFile, modelled: Modelled, place: PathInFile) -> Lora | None:
        """The LoRA as it enters a take; None after a mistake."""
        card = modelled.card
        found = self._fit(written.path, card)
        if isinstance(found, InputError):
            for problem in found.problems:
                of_file = problem.where == str(self._file(written.path))  # else of a model folder's configuration
                where = written.path if of_file else problem.where
                self.findings.error(place, f"{where} {problem.found}", problem.allowed, problem.remedy)
            return None
        digest, fit = found
        expert = self._expert(written, fit, card, place)
        of_part = "each" if expert == "both" else f"{expert} part"
        lora = Lora(digest, float(written.scale), of_part if fit.has_parts else expert)
        applied = AppliedLora(written.path, card.name, _experts(lora, fit), fit.has_parts)
        self._list(applied, lora, card)
        if applied.left_out:
            self.findings.warn(place, f"{applied.path}: {applied.left_out}", "", "the other layers are applied")
        self.files[digest] = self._file(written.path).absolute()
        return lora

    def _file(self, path: str) -> Path:
        return self.findings.document.folder / path

    def _fit(self, path: str, card: ModelCard) -> _Fitted | InputError:
        if (path, card.identity) not in self._fits:
            self._fits[path, card.identity] = self._fit_anew(self._file(path), card)
        return self._fits[path, card.identity]

    def _fit_anew(self, file: Path, card: ModelCard) -> _Fitted | InputError:
        try:
            return self.cache.digest(file), self.models.lora_fit(card, file)
        except InputError as error:
            return error
        except OSError as error:
            return InputError(Problem(str(file), f"cannot be read: {error.strerror}"))

    def _expert(self, written: LoraFile, fit: LoraFit, card: ModelCard, place: PathInFile) -> str:
        """The expert of a LoRA, in this order: as written, by the tensors' names, by the file's name."""
        named = expert_in_name(written.path)
        if len(fit.layers) == 1:
            by_words = "" if is_by_letter(written.path) else named
            self._check_one_expert(written, by_words or fit.meant_for, card, place)
            return "both"
        if written.expert is not None:
            return written.expert
        if fit.has_parts:
            return "both"
        if fit.meant_for and named not in ("", fit.meant_for) and not is_by_letter(written.path):
            found = f"{written.path} is used by the {_expert(fit.meant_for)}, by the names of its tensors"
            self.findings.warn(place, found, f"its file name says {named}", f"write expert: {named} if that is right")
        if not (fit.meant_for or named):
            found = f"{written.path} is used by both experts: its name says neither high noise nor low noise"
            self.findings.warn(place, found, "", "write expert: high, low or both")
        elif not fit.meant_for and is_by_letter(written.path):
            found = f"{written.path} is used by the {_expert(named)}: only the letter {named[0].upper()} says so"
            self.findings.warn(place, found, "", "write expert: high, low or both")
        return fit.meant_for or named or "both"

    def _check_one_expert(self, written: LoraFile, named: str, card: ModelCard, place: PathInFile) -> None:
        if written.expert in HIGH_AND_LOW:
            found = f"{written.path} is for the {_expert(written.expert)}, but {card.name} has only one expert"
            remedy = f"delete `expert`, or write other loras where {card.name} renders or paints"
            self.findings.error((*place, "expert"), found, "", remedy)
        elif named and written.expert is None:
            found = f"{written.path} is for the {_expert(named)}, by its name; the only expert of {card.name} uses it"
            self.findings.warn(place, found, "", "write expert: both if that is right")

    def _check_repeated(self, lora: Lora, path: str, before: Sequence[Lora], place: PathInFile) -> None:
        if any(_share_an_expert(lora, other) for other in before):
            self.findings.warn(place, f"{path} is listed twice: its scales add up", "", "list it once")

    def _list(self, applied: AppliedLora, lora: Lora, card: ModelCard) -> None:
        self.applied[applied] = None
        if applied.left_out:
            self._left_out[card.identity, lora] = f"{applied.path}: {applied.left_out}"


def applied_twice(published: Sequence[Lora], own: Sequence[Lora]) -> bool:
    """Whether a draft's published LoRAs include one that the storyboard lists for the same expert."""
    return any(_share_an_expert(lora, other) for lora in own for other in published)


def _share_an_expert(one: Lora, other: Lora) -> bool:
    if one.content != other.content:
        return False
    return any(one.is_used_by(expert) and other.is_used_by(expert) for expert in HIGH_AND_LOW)


def _experts(lora: Lora, fit: LoraFit) -> tuple[tuple[str, LoraLayers], ...]:
    if len(fit.layers) == 1:
        return (("", fit.layers[0]),)
    both = zip(HIGH_AND_LOW, fit.layers, strict=True)
    return tuple((expert, layers) for expert, layers in both if lora.is_used_by(expert))


def _expert(expert: str) -> str:
    return f"{expert}-noise expert"


def _counted(layers: LoraLayers) -> str:
    return f"{layers.applied} of {layers.total} layers"
