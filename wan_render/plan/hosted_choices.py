"""`cloud: {model, allow}`: which shots a service may render instead of their own model, and with which model.

What a service cannot do, or does otherwise, is said whether or not shots go there now: a night decides that late, maybe
on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from wan_render.authored import ModelChoice, PathInFile
from wan_render.model_card import ModelCard
from wan_render.plan.bridge_settings import BridgeSettings
from wan_render.plan.findings import Findings
from wan_render.plan.hosted_takes import warn_of_no_price
from wan_render.plan.inherit import Inherited, Setting
from wan_render.plan.joints import ShotInCut, no_bridge
from wan_render.plan.model_choice import Chooser
from wan_render.plan.roles import ShotRole, kind_of, role_of
from wan_render.take import ShotKind, Size

STAY_HERE = "write cloud: {allow: false} for them, or name a model that can"


@dataclass(frozen=True)
class _MayMove:
    """A rendered shot with what `cloud` says of it. is_hosted: whether its own model is one of a service; False if
    `cloud` says nothing. named: the full name of the model that may render it instead, None without one or after a
    mistake."""

    inherited: Inherited
    model: Setting[str] | None
    allow: Setting[bool] | None
    is_hosted: bool
    named: str | None

    @property
    def is_allowed(self) -> bool:
        return self.allow is not None and self.allow.value


def hosted_choices(cast: Sequence[Inherited], chooser: Chooser) -> dict[str, Setting[ModelChoice]]:
    """Shot id → the hosted model that may render it. A shot whose own model is hosted is not among them, nor is one of
    a kind that the hosted model cannot render: that one is always rendered here, and a warning says so. Reports unknown
    models, and settings that have no effect."""
    shots = [_read(inherited, chooser) for inherited in cast if role_of(inherited.shot) is ShotRole.RENDER]
    _warn_of_no_effect(shots, chooser.findings)
    bridges = _bridge_rates(cast, chooser)
    found: dict[str, Setting[ModelChoice]] = {}
    for shot in shots:
        if shot.model is None or shot.named is None or not shot.is_allowed or shot.is_hosted:
            continue
        card = chooser.models.card(shot.named)
        if _can(card, shot, bridges.get(shot.inherited.id, card.rate), chooser.findings):
            _warn_of_difference(card, shot, chooser.size, chooser.findings)
            found[shot.inherited.id] = Setting(ModelChoice(name=shot.named), shot.model.place, shot.model.level)
    return found


def _read(inherited: Inherited, chooser: Chooser) -> _MayMove:
    model, allow = inherited.cloud("model"), inherited.cloud("allow")
    is_hosted = not (model is None and allow is None) and _is_hosted(inherited, chooser)
    return _MayMove(inherited, model, allow, is_hosted, None if model is None else _full_name(model, chooser))


def _is_hosted(inherited: Inherited, chooser: Chooser) -> bool:
    """Whether its own model is one of a service. Every backend is imported for that."""
    own = inherited.of_kind(kind_of(inherited.shot)).model
    name = "" if own is None else own.value.name or ""
    return name in chooser.models.names and chooser.models.card(name).hosted is not None


def _can(card: ModelCard, shot: _MayMove, rate: Fraction, findings: Findings) -> bool:
    """Whether a model can render a shot that has to have this rate. Warns if not."""
    assert shot.model is not None  # noqa: S101 - see hosted_choices
    kind = kind_of(shot.inherited.shot)
    if kind not in card.kinds:
        found, allowed = f"{card.name} cannot render {kind}", f"it can: {', '.join(sorted(card.kinds))}"
    elif card.rate != rate:
        found = f"{card.name} cannot render shots beside a bridge"
        allowed = f"it has {card.rate} frames per second, the bridge {rate}"
    else:
        return True
    found = f"{found}, so these are never sent to the service"
    findings.warn_for(shot.inherited.id, shot.model.place, found, allowed, STAY_HERE)
    return False


def _bridge_rates(cast: Sequence[Inherited], chooser: Chooser) -> dict[str, Fraction]:
    """Shot id → the rate of the bridge beside it, for shots that have one."""
    rates: dict[str, Fraction] = {}
    for before, after in pairwise(cast):
        joint = before.transition
        sides = [ShotInCut(each, role_of(each.shot)) for each in (before, after)]
        if joint is None or joint.value.kind != "bridge" or no_bridge(*sides):
            continue
        model = chooser.silent().choose(BridgeSettings(before, joint), ShotKind.BRIDGE).card
        rates |= dict.fromkeys((before.id, after.id), model.rate)
    return rates


def _warn_of_difference(card: ModelCard, shot: _MayMove, size: Size, findings: Findings) -> None:
    """Warn about what the service renders otherwise than the shot's own model, and about what it renders for nobody."""
    assert shot.model is not None  # noqa: S101 - see hosted_choices
    assert card.hosted is not None  # noqa: S101 - see _full_name
    if card.hosted.resolution(size).second is None:
        warn_of_no_price(card, shot.model.place, findings)
    loras = shot.inherited.common("loras")
    if loras is not None and loras.value:
        found = f"at the service these shots are rendered without their LoRAs, by {card.name}"
        remedy = "write cloud: {allow: false} if they need them"
        findings.warn_for(shot.inherited.id, loras.place, found, card.unsupported.get("loras", ""), remedy)


def _warn_of_no_effect(shots: Sequence[_MayMove], findings: Findings) -> None:
    """Warn of an `allow` without a model that could use it, and of a model without an `allow`."""
    for place in _places(shots, lambda shot: shot.allow if shot.is_allowed else None):
        if not any(
            shot.is_hosted or shot.model is not None
            for shot in shots
            if shot.allow is not None and shot.allow.place == place
        ):
            found = "nothing is sent to a service: no model of one is named"
            findings.warn(place, found, "", "write cloud: {allow: true, model: wan2.7-i2v}, or delete it")
    for place in _places(shots, lambda shot: shot.model):
        its = [shot for shot in shots if shot.model is not None and shot.model.place == place]
        if all(shot.allow is None for shot in its):
            found = "nothing is sent to a service: nothing allows it"
            findings.warn(place, found, "it costs money", "write cloud: {allow: true} beside the model, or delete it")


def _places(shots: Sequence[_MayMove], setting: Callable[[_MayMove], Setting[Any] | None]) -> tuple[PathInFile, ...]:
    """The places at which a setting of these shots was written, each once."""
    return tuple(dict.fromkeys(found.place for shot in shots if (found := setting(shot)) is not None))


def _full_name(named: Setting[str], chooser: Chooser) -> str | None:
    """`dashscope:wan2.7-i2v`; None after a mistake."""
    models = chooser.models
    hosted = [name for name in models.names if ":" in name and models.card(name).hosted is not None]
    match = next((name for name in hosted if named.value in (name, name.partition(":")[2])), None)
    if match is None:
        chooser.findings.error(named.place, f"no hosted model is named {named.value}", f"models: {', '.join(hosted)}")
    return match
