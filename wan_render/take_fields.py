"""Takes in canonical form, as in take.json: their keys, prompts, and the takes that they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from wan_render.keys import content_key
from wan_render.take import TAKE_FORM, AnyPlate, Bridge, FramePlate, Leg, Lora, Plate, Sampling, Size, Take, TakePart


def key_of(fields: Mapping[str, Any]) -> str:
    """The key of a take in canonical form."""
    return content_key(TAKE_FORM, fields)


def prompt_of(fields: Mapping[str, Any]) -> str:
    """The prompts of a take in canonical form, for people to read: those of its segments, joined with →, or the one
    that all segments share."""
    prompts = [*(leg["prompt"] for leg in fields.get("through", ())), fields["prompt"]]
    return " → ".join(prompts if len({*prompts}) > 1 else prompts[:1])


def needs_of(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """`Take.needs` of a take in canonical form. Raises ValueError for fields of another form."""
    try:
        has_parts = fields.get("through") or fields.get("bridge")
        return _read(fields).needs if has_parts else tuple(_frames_of(fields))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a take: {error!r}") from error


def _frames_of(fields: Mapping[str, Any]) -> Iterator[str]:
    for end in ("first", "last"):
        if fields[end] is not None and "take" in fields[end]:
            yield str(fields[end]["take"])


def _read(fields: Mapping[str, Any]) -> Take:
    """A take with the plates and legs of canonical fields."""
    return Take(
        backend=fields["backend"],
        model=fields["model"],
        first=_read_plate(fields["first"]),
        last=_read_plate(fields["last"]),
        prompt=fields["prompt"],
        negative=fields["negative"],
        frames=fields["frames"],
        size=Size(**fields["size"]),
        rate=Fraction(fields["rate"]),
        seed=fields["seed"],
        sampling=Sampling(**{**fields["sampling"], "guidance": tuple(fields["sampling"]["guidance"])}),
        loras=tuple(Lora(**lora) for lora in fields["loras"]),
        through=tuple(
            Leg(plate, leg["frame"], leg["prompt"])
            for leg in fields.get("through", ())
            if (plate := _read_plate(leg["plate"])) is not None
        ),
        bridge=_read_bridge(fields.get("bridge")),
    )


def _read_bridge(fields: Mapping[str, Any] | None) -> Bridge | None:
    return None if fields is None else Bridge(TakePart(**fields["before"]), TakePart(**fields["after"]))


def _read_plate(fields: Mapping[str, Any] | None) -> AnyPlate | None:
    if fields is None:
        return None
    size = Size(**fields["size"])
    if "take" in fields:
        return FramePlate(fields["take"], fields["frame"], size, fields["conform"])
    across, down = map(Fraction, fields["focus"])
    return Plate(fields["picture"], size, (across, down), fields["conform"], fields.get("fit", "cover"))
