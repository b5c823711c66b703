"""The differences between a take and an earlier one, in users' words, for `plan` and for reviews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wan_render.cleaning import cleaned
from wan_render.keys import canonical
from wan_render.take import Take

_WORDS = {
    "negative": "negative prompt",
    "size": "raster",
    "rate": "frame rate",
    "loras": "LoRAs",
    "guided_share": "steps that are guided",
    "conform": "reading of keyframes' colours",
    "through": "keyframes in between",
    "bridge": "a shot that it bridges",
}
_ENDS = {"first": "begins", "last": "ends"}


def changes(before: Mapping[str, Any], after: Take) -> tuple[str, ...]:
    """The differences between a take and an earlier one, in users' words: `prompt`, `seed`, `first keyframe`,
    `guidance`, …; empty if there are none.

    before: the canonical fields of the earlier take, as in its take.json. Fields that only one of the two has, as after
    a change of the take's form, are included.
    """
    words = (_WORDS.get(name, name) for name in _changed(before, canonical(after)))
    return tuple(dict.fromkeys(words))


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in (*after, *(name for name in before if name not in after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name in ("first", "last"):
            yield from _changed_plate(name, old, new, resized=before.get("size") != after.get("size"))
        elif name == "sampling" and isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new)
        elif name == "negative" and new == "" and old and not _is_guided(after):
            yield "negative prompt (no effect at guidance 1)"
        elif name in _TEXTS and _as_cleaned(old) == new:
            yield "cleaning of the negative prompt" if name == "negative" else "cleaning of the prompt"
        elif name == "loras" and _without_experts(old) == _without_experts(new):
            yield "experts of LoRAs"
        else:
            yield name


def _is_guided(fields: Mapping[str, Any]) -> bool:
    """Sampling.is_guided of a take in canonical form."""
    return any(value > 1.0 for value in fields["sampling"]["guidance"])


_TEXTS = ("prompt", "negative", "through")


def _as_cleaned(before: Any) -> Any:
    """A text as it is now in keys, or `through` with its texts like that. Keys of an earlier version contain texts as
    they were written."""
    if isinstance(before, str):
        return cleaned(before)
    if isinstance(before, list) and all(isinstance(leg, Mapping) and "prompt" in leg for leg in before):
        return [{**leg, "prompt": _as_cleaned(leg["prompt"])} for leg in before]
    return before


def _without_experts(loras: Any) -> Any:
    """The LoRAs and their scales, without their experts."""
    if not isinstance(loras, list):
        return loras
    return [_without(lora, "expert") if isinstance(lora, Mapping) else lora for lora in loras]


def _without(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def _changed_plate(name: str, old: Any, new: Any, *, resized: bool) -> Iterator[str]:
    """Whether a plate shows another picture, or how else it changed. A new size is reported only as the raster's."""
    if isinstance(old, Mapping) and isinstance(new, Mapping) and "take" in old and "take" in new:
        is_same_frame = all(old.get(part) == new.get(part) for part in ("take", "frame"))
        yield "what the previous shot hands over" if is_same_frame else f"the take that it {_ENDS[name]} on"
        return
    if not isinstance(old, Mapping) or not isinstance(new, Mapping) or old.get("picture") != new.get("picture"):
        yield f"{name} keyframe"
        return
    for part in _changed(old, new):
        if part in ("focus", "fit"):
            yield f"{part} of the {name} keyframe"
        elif part != "size" or not resized:
            yield part
