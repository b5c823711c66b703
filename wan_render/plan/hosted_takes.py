"""Takes that a service renders for money: what is checked before anything is paid."""

from __future__ import annotations

from collections.abc import Iterable

from wan_render.authored import Film, PathInFile
from wan_render.hosted_model import HostedModel
from wan_render.model_card import ModelCard
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Settings
from wan_render.plan.model_choice import Modelled
from wan_render.take import Take


def check_hosted(settings: Settings, modelled: Modelled, take: Take, findings: Findings) -> None:
    """Report what makes a take of a hosted model impossible, or other than written. Does nothing for other models."""
    hosted, card = modelled.card.hosted, modelled.card
    if hosted is None:
        return
    model = modelled.settings.model
    place = settings.place if model is None else model.place
    allowed = settings.cloud("allow")
    if allowed is None or not allowed.value:
        remedy = "write cloud: {allow: true}, and film: {budget: 30 CNY}"
        findings.error(place, f"{card.name} costs money, and nothing allows that", "", remedy)
    for segment in take.segments or (take,):
        _check_texts(settings.place, modelled, hosted, segment, findings)
        _check_length(settings.place, modelled, hosted, segment, findings)
    if hosted.dearest(take) is None:
        warn_of_no_price(card, place, findings)
    if settings.common("seed") is not None:
        seed = settings.common("seed")
        assert seed is not None  # noqa: S101 - for mypy
        findings.warn_for(card.name, seed.place, "a seed means nothing to a model of the service but another take")
    _note_conforming(place, modelled, take, findings)


def warn_of_no_price(card: ModelCard, place: PathInFile, findings: Findings) -> None:
    """Warn that takes of a model cannot be ordered."""
    found = f"no price is known for {card.name}, without which nothing is ordered"
    findings.warn_for(card.name, place, found, "", "name a file with prices in WAN_RENDER_CLOUD_MODELS")


def check_budget(film: Film, cards: Iterable[ModelCard], findings: Findings) -> None:
    """Report a budget that cannot hold, or none where takes cost money. cards: of all models that may render shots."""
    hosted = [card.hosted for card in cards if card.hosted is not None]
    if not hosted:
        return
    if film.budget is None:
        found = "takes of this film may cost money, and nothing limits how much"
        findings.warn(("film",), found, "", "write film: {budget: 30 CNY}, or render with --max-cost")
        return
    seconds = [each.second for model in hosted for each in model.resolutions if each.second is not None]
    if foreign := sorted({price.currency for price in seconds} - {film.budget.currency}):
        found = f"the budget is in {film.budget.currency}, and prices are in {', '.join(foreign)}"
        findings.error(("film", "budget"), found, "one currency", f"write the budget in {foreign[0]}")


def _check_texts(place: PathInFile, modelled: Modelled, hosted: HostedModel, take: Take, findings: Findings) -> None:
    texts = (
        ("prompt", take.prompt, hosted.prompt_characters),
        ("negative prompt", take.negative, hosted.negative_characters),
    )
    for name, text, most in texts:
        if len(text) > most:
            found = f"the {name} has {len(text)} characters"
            allowed = f"{hosted.name} reads {most}, cuts the rest without a word, and bills it"
            findings.error(place, found, allowed, _remedy("shorten it", modelled))


def _check_length(place: PathInFile, modelled: Modelled, hosted: HostedModel, take: Take, findings: Findings) -> None:
    seconds, (fewest, most) = (take.frames - 1) / take.rate, hosted.seconds
    if not fewest <= seconds <= most:
        allowed = f"{hosted.name} makes {fewest} to {most} s" if fewest < most else f"{hosted.name} makes {most} s"
        findings.error(
            place,
            f"a take of {float(seconds):g} s",
            allowed,
            _remedy("change the duration, or use `through`", modelled),
        )


def _remedy(change: str, modelled: Modelled) -> str:
    """What to do about a take that the service cannot render: a shot with a model of its own may stay here."""
    return f"{change}, or write cloud: {{allow: false}}" if modelled.is_moved else change


def _note_conforming(place: PathInFile, modelled: Modelled, take: Take, findings: Findings) -> None:
    """The service decides about the exact number of frames and their size."""
    assert modelled.card.hosted is not None  # noqa: S101 - see check_hosted
    name = modelled.card.hosted.resolution(take.size).name
    found = f"{modelled.card.name} is asked for {name}; frames are scaled to {take.size} and spread over {take.frames}"
    findings.note(place, found)
