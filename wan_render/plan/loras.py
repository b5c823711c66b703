"""LoRAs: files by their content, which expert wears them, and whether they fit, before any weight is read."""

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
    """A LoRA of the storyboard as a model wears it.

    path:    as it is written. model: the model's name.
    wearing: each expert that wears it, `high` or `low`, with its layers; "" of a model with one transformer.
    by_part: the file has a part for each of two experts.
    """

    path: str
    model: str
    wearing: tuple[tuple[str, LoraLayers], ...]
    by_part: bool = False

    @property
    def wearers(self) -> str:
        """`high-noise expert, 240 of 240 layers`."""
        told = {expert: _counted(layers) for expert, layers in self.wearing}
        if not self.by_part and len(told) > 1 and len(set(told.values())) == 1:
            return f"both experts, {next(iter(told.values()))}"
        own = " of its own part" if self.by_part else ""
        return "; ".join(f"{_expert(expert)}, {count}{own}" if expert else count for expert, count in told.items())

    @property
    def left_out(self) -> str:
        """`40 of 440 layers are left out: for pictures that CLIP sees, …`; "" where all are worn."""
        told = dict.fromkeys(
            f"{sum(each.count for each in layers.left_out)} of {layers.total} layers are left out: "
            + ", ".join(each.why for each in layers.left_out)
            for _, layers in self.wearing
            if layers.left_out
        )
        return "; ".join(told)


@dataclass(frozen=True)
class Loras:
    """The LoRAs of one film, each file looked at once for each model. files: by SHA-256. worn: as `plan` lists them."""

    models: Models
    cache: FactCache
    findings: Findings
    files: dict[str, Path] = field(default_factory=dict)
    worn: dict[AppliedLora, None] = field(default_factory=dict)
    _fits: dict[tuple[str, str], _Fitted | InputError] = field(default_factory=dict)
    _published: dict[tuple[str, str], LoraFit | None] = field(default_factory=dict)
    _left_out: dict[tuple[str, Lora], str] = field(default_factory=dict)

    def of(self, settings: Settings, modelled: Modelled) -> tuple[Lora, ...]:
        """The LoRAs of a shot or a painted keyframe, in the order written; mistakes and warnings are told."""
        told = settings.common("loras")
        if told is None:
            return ()
        found: list[Lora] = []
        for at, written in enumerate(told.value):
            place = (*told.place, at)
            if written.scale == 0:
                self.findings.warn(place, f"{written.path} is not worn: its scale is 0", "", "delete it")
            elif lora := self._lora(written, modelled, place):
                self._check_repeated(lora, written.path, found, place)
                found.append(lora)
        return tuple(found)

    def published(self, card: ModelCard, place: PathInFile) -> tuple[Lora, ...]:
        """The LoRAs that a draft brings along. Layers that are left out are as their publisher meant it: a note."""
        found = tuple(Lora(lora.content, 1.0, lora.expert) for lora in card.distilled)
        for lora, told in zip(found, card.distilled, strict=True):
            if (fit := self._published_fit(card, told)) is not None:
                worn = AppliedLora(told.file, card.name, _wearing(lora, fit))
                self._list(worn, lora, card)
                if worn.left_out:
                    self.findings.note(place, f"{worn.path}: {worn.left_out}")
        return found

    def _published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:
        if (card.identity, lora.content) not in self._published:
            self._published[card.identity, lora.content] = self.models.published_fit(card, lora)
        return self._published[card.identity, lora.content]

    def remark_on(self, takes: Iterable[Take]) -> None:
        """Have it recorded beside each take which layers of its LoRAs are left out."""
        for take in takes:
            for lora in take.loras:
                if text := self._left_out.get((take.model, lora)):
                    self.findings.remark(take.key, text)

    def _lora(self, written: LoraFile, modelled: Modelled, place: PathInFile) -> Lora | None:
        """None after a mistake."""
        card = modelled.card
        found = self._fit(written.path, card)
        if isinstance(found, InputError):
            for problem in found.problems:
                of_file = problem.where == str(self._file(written.path))  # or of the configuration of a model's folder
                where = written.path if of_file else problem.where
                self.findings.error(place, f"{where} {problem.found}", problem.allowed, problem.remedy)
            return None
        digest, fit = found
        expert = self._expert(written, fit, card, place)
        lora = Lora(digest, float(written.scale), _with_parts(expert) if fit.has_parts else expert)
        worn = AppliedLora(written.path, card.name, _wearing(lora, fit), fit.has_parts)
        self._list(worn, lora, card)
        if worn.left_out:
            self.findings.warn(place, f"{worn.path}: {worn.left_out}", "", "the other layers are worn")
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
        """What is written decides, then what the file says, then its name."""
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
            found = f"{written.path} is worn by the {_expert(fit.meant_for)}, as its tensors are named"
            self.findings.warn(place, found, f"its own name says {named}", f"write expert: {named} if that is right")
        if not (fit.meant_for or named):
            found = f"{written.path} is worn by both experts: its name says neither high noise nor low noise"
            self.findings.warn(place, found, "", "write expert: high, low or both")
        elif not fit.meant_for and is_by_letter(written.path):
            found = f"{written.path} is worn by the {_expert(named)}: only the letter {named[0].upper()} says so"
            self.findings.warn(place, found, "", "write expert: high, low or both")
        return fit.meant_for or named or "both"

    def _check_one_expert(self, written: LoraFile, named: str, card: ModelCard, place: PathInFile) -> None:
        if written.expert in HIGH_AND_LOW:
            found = f"{written.path} is for the {_expert(written.expert)}, and {card.name} has one expert"
            remedy = f"delete `expert`, or write other loras where {card.name} renders or paints"
            self.findings.error((*place, "expert"), found, "", remedy)
        elif named and written.expert is None:
            found = (
                f"{written.path} is for the {_expert(named)}, by its name; {card.name} has one expert, which wears it"
            )
            self.findings.warn(place, found, "", "write expert: both if that is right")

    def _check_repeated(self, lora: Lora, path: str, before: Sequence[Lora], place: PathInFile) -> None:
        if any(_share_an_expert(lora, other) for other in before):
            self.findings.warn(place, f"{path} is listed twice: its strengths add up", "", "list it once")

    def _list(self, worn: AppliedLora, lora: Lora, card: ModelCard) -> None:
        self.worn[worn] = None
        if worn.left_out:
            self._left_out[card.identity, lora] = f"{worn.path}: {worn.left_out}"


def applied_twice(published: Sequence[Lora], own: Sequence[Lora]) -> bool:
    """Whether a draft brings along a LoRA that the storyboard lists for the same expert."""
    return any(_share_an_expert(lora, other) for lora in own for other in published)


def _share_an_expert(one: Lora, other: Lora) -> bool:
    if one.content != other.content:
        return False
    return any(one.is_worn_by(expert) and other.is_worn_by(expert) for expert in HIGH_AND_LOW)


def _wearing(lora: Lora, fit: LoraFit) -> tuple[tuple[str, LoraLayers], ...]:
    if len(fit.layers) == 1:
        return (("", fit.layers[0]),)
    both = zip(HIGH_AND_LOW, fit.layers, strict=True)
    return tuple((expert, layers) for expert, layers in both if lora.is_worn_by(expert))


def _with_parts(expert: str) -> str:
    """See take.Lora: of a file with a part for each expert."""
    return "each" if expert == "both" else f"{expert} part"


def _expert(expert: str) -> str:
    return f"{expert}-noise expert"


def _counted(layers: LoraLayers) -> str:
    return f"{layers.worn} of {layers.total} layers"
