"""`models`: list models and their weights; `models pull`: download weights."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any

from wan_render.authored.spelling import did_you_mean
from wan_render.backends import families
from wan_render.errors import Problem, UsageError
from wan_render.model_card import Licence, ModelCard
from wan_render.model_family import ModelFamily, PullRequest, Weights
from wan_render.printable import shown
from wan_render.session.wording import gigabytes
from wan_render.settings import MachineSettings, machine_settings
from wan_render.take import Sampling


def run(arguments: argparse.Namespace) -> int:
    """List the models, or pull one."""
    settings = machine_settings()
    if arguments.action == "pull":
        return _pull(arguments, settings)
    found = [_Listed(card, family.weights(card)) for family in families().values() for card in family.cards]
    if arguments.json:
        print(json.dumps({"version": 1, "models": [model.report() for model in found]}, ensure_ascii=False, indent=2))
    else:
        print("\n".join(line for model in found for line in model.lines()))
    return 0


def _pull(arguments: argparse.Namespace, settings: MachineSettings) -> int:
    from wan_render.cli.pull_progress import watching

    root = arguments.to or settings.weights
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


def _published(name: str) -> tuple[ModelFamily, ModelCard]:
    """The published model of a name, and its family. Raises UsageError for an unknown name."""
    known = {card.name: (family, card) for family in families().values() for card in family.cards}
    if name not in known:
        allowed = f"allowed: {', '.join(known)}"
        raise UsageError(Problem(shown(name), "unknown model", allowed, did_you_mean(name, known)))
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
