"""`cloud: {model, allow}`: which shots a service may render instead of their own model, and with which model."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.authored import ModelChoice
from wan_render.plan.inherit import Inherited, Setting
from wan_render.plan.model_choice import Chooser
from wan_render.plan.roles import ShotRole, kind_of, role_of


def hosted_choices(cast: Sequence[Inherited], chooser: Chooser) -> dict[str, Setting[ModelChoice]]:
    """Shot id → the hosted model that may render it. A shot whose own model is hosted is not among them, nor is one of
    a kind that the hosted model cannot render: that one stays local, and a note says so. Reports unknown models."""
    found: dict[str, Setting[ModelChoice]] = {}
    for inherited in cast:
        named, allowed = inherited.cloud("model"), inherited.cloud("allow")
        if named is None or role_of(inherited.shot) is not ShotRole.RENDER:
            continue
        name = _full_name(named, chooser)
        if name is None or allowed is None or not allowed.value:
            continue
        kind = kind_of(inherited.shot)
        own = inherited.of_kind(kind).model
        own_name = None if own is None else own.value.name
        if own_name and own_name in chooser.models.names and chooser.models.card(own_name).hosted is not None:
            continue
        if kind not in chooser.models.card(name).kinds:
            chooser.findings.note(named.place, f"{name} cannot render {kind.value}: {inherited.id} stays local")
            continue
        found[inherited.id] = Setting(ModelChoice(name=name), named.place, named.level)
    return found


def _full_name(named: Setting[str], chooser: Chooser) -> str | None:
    """`dashscope:wan2.7-i2v`; None after a mistake."""
    models = chooser.models
    hosted = [name for name in models.names if ":" in name and models.card(name).hosted is not None]
    match = next((name for name in hosted if named.value in (name, name.partition(":")[2])), None)
    if match is None:
        chooser.findings.error(named.place, f"no hosted model is named {named.value}", f"models: {', '.join(hosted)}")
    return match
