"""What the report says about one take: its state, its settings, how it was made, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from wan_render.hosted_model import COST_FACT, HOSTED_FACT
from wan_render.model_card import ModelCard
from wan_render.price import Price
from wan_render.report.review import ReviewTake
from wan_render.status import TakeStatus
from wan_render.store import Clip, Provenance, Store
from wan_render.take_fields import prompt_of

UNUSED_BY_SERVICES = ("steps", "guidance", "shift", "profile")
"""Settings that a service does not have, for takes of a model that the plan no longer has."""


def review_take(store: Store, status: TakeStatus, chosen: str, models: Mapping[str, ModelCard]) -> ReviewTake:
    """One take of a shot. chosen: the key of the take in the film. models: those of the plan, by identity."""
    clip = store.find(status.key)
    records = () if clip is None else _records(store, status)
    made = _made(records) if records else None
    fields = status.fields
    return ReviewTake(
        number=status.number,
        key=status.key,
        seed=fields["seed"],
        state=_state(status, clip),
        chosen=status.key == chosen,
        preview=clip.preview if clip is not None and clip.preview.exists() else None,
        clip=clip.video if clip is not None else None,
        frames=fields["frames"],
        prompt=prompt_of(fields),
        negative=fields["negative"],
        settings=_settings(fields, made, models.get(fields["model"])),
        seconds=made.seconds if made is not None else {},
        device=f"{made.device} ({made.device_label})" if made is not None else "",
        why=made.why if made is not None else status.why,
        judgement=status.judgement,
        cost=_cost(records),
    )


def _records(store: Store, status: TakeStatus) -> tuple[Provenance, ...]:
    """How a take was made. One that passes through keyframes is only joined: the records of its segments, then its
    own."""
    parts = {segment.key for segment in (status.take.segments if status.take is not None else ())}
    found = [store.record(key).provenance for key in sorted(parts) if store.find(key) is not None]
    return (*found, store.record(status.key).provenance)


def _made(records: Sequence[Provenance]) -> Provenance:
    """One record for all of them: the last one, with the times, the versions and the cost of all."""
    seconds: Counter[str] = Counter()
    for each in records:
        seconds.update(each.seconds)
    versions = {name: version for each in records for name, version in each.versions.items()}
    if (cost := _cost(records)) is not None:
        versions[COST_FACT] = str(cost)
    return replace(records[-1], seconds=dict(seconds), versions=versions)


def _cost(records: Sequence[Provenance]) -> Price | None:
    """What a take cost at a service with its segments, as their records say; None if nothing, or if that is not
    understood."""
    try:
        prices = [Price.read(each.versions[COST_FACT]) for each in records if COST_FACT in each.versions]
    except ValueError:
        return None
    if len({price.currency for price in prices}) != 1:
        return None
    return Price(sum((price.amount for price in prices), Decimal(0)), prices[0].currency)


def _state(status: TakeStatus, clip: Clip | None) -> str:
    if clip is None:
        return "missing"
    return status.state.value if status.clip is not None else "rendered"


def _settings(fields: Mapping[str, Any], made: Provenance | None, card: ModelCard | None) -> Mapping[str, str]:
    """Every resolved setting except the texts and the seed, in words. Without those that the model does not have: what
    stands for them in the key was not used. card: None if the plan no longer has the model."""
    sampling, size = fields["sampling"], fields["size"]
    words = {
        "backend": fields["backend"],
        "model": fields["model"],
        "size": f"{size['width']}x{size['height']}",
        "frames": str(fields["frames"]),
        "rate": fields["rate"].removesuffix("/1"),
        "steps": str(sampling["steps"]),
        "guidance": " / ".join(map(str, sampling["guidance"])),
        "shift": str(sampling["shift"]),
        "profile": sampling["profile"],
        "variant": sampling.get("variant", ""),
        "loras": ", ".join(map(_lora, fields["loras"])),
    }
    versions = dict(made.versions) if made is not None else {}
    unused = UNUSED_BY_SERVICES if HOSTED_FACT in versions else () if card is None else card.unsupported
    return {name: text for name, text in words.items() if text and name not in unused} | versions


def _lora(fields: Mapping[str, Any]) -> str:
    """`8833bd4f at 1.0 (high)`."""
    expert = f" ({fields['expert']})" if "expert" in fields else ""
    return f"{fields['content'][:8]} at {fields['scale']}{expert}"
