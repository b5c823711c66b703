"""What an editor is told of a take: how it was made, and what its checks say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from wan_render.editors.editor_timeline import EditorMarker
from wan_render.editors.placement import media_frames
from wan_render.plan import FilmPlan, PlannedShot, Rendered
from wan_render.quality.verdicts import Judgement, QcResult, QcVerdict
from wan_render.status import judgement_of
from wan_render.store import Store, TakeRecord
from wan_render.store.memory import Remembered
from wan_render.take_fields import key_of, prompt_of

_COLOURS: Mapping[QcVerdict, Literal["RED", "YELLOW", "GREEN"]] = {
    QcVerdict.FAIL: "RED",
    QcVerdict.FLAG: "YELLOW",
    QcVerdict.PASS: "GREEN",
}


@dataclass(frozen=True)
class ShotTakes:
    """The takes of a film's shots. Read once: a film can have a thousand shots."""

    store: Store
    shots: Mapping[str, PlannedShot]
    remembered: Remembered

    @classmethod
    def of(cls, plan: FilmPlan, store: Store) -> ShotTakes:
        """Those of a plan, and those that were rendered under its shots' ids before."""
        return cls(store, {shot.id: shot for shot in plan.shots}, store.memory.remembered(plan.slug))

    def numbered(self, shot: str, active: str) -> tuple[tuple[int, str], ...]:
        """The takes of a shot that are in the store: (number, key), by number. active: the key of the take in the film,
        which is always one of them."""
        numbers = {key_of(fields): number for number, fields in self.remembered.get(shot, {}).items()}
        if (content := self._rendered(shot)) is not None:
            numbers |= {take.take.key: take.number for take in content.takes}
        if active not in numbers:  # a clip that a pin kept
            numbers[active] = self.store.record(active).provenance.number
        found = ((number, key) for key, number in numbers.items() if key == active or self.store.find(key) is not None)
        return tuple(sorted(found))

    def judged(self, shot: str, key: str) -> Judgement | None:
        """What the checks say of a take; None if it was not measured, or with `qc: {check: off}`."""
        content = self._rendered(shot)
        return judgement_of(self.store, key) if content is None or content.is_checked else None

    def _rendered(self, shot: str) -> Rendered | None:
        content = self.shots[shot].content if shot in self.shots else None
        return content if isinstance(content, Rendered) else None


def take_metadata(record: TakeRecord, shot: str, number: int, judgement: Judgement | None) -> dict[str, Any]:
    """Everything that decided a take's pixels, in JSON values, and its verdict."""
    fields, made = record.take, record.provenance
    sampling = fields["sampling"]
    return {
        "shot": shot,
        "take": number,
        "key": record.key,
        "prompt": prompt_of(fields),
        "negative": fields["negative"],
        "seed": str(fields["seed"]),  # a string: editors read numbers as 64-bit floats
        "model": made.model,
        "weights": fields["model"],
        "backend": fields["backend"],
        "steps": sampling["steps"],
        "guidance": list(sampling["guidance"]),
        "shift": sampling["shift"],
        "profile": sampling["profile"],
        **{name: sampling[name] for name in ("variant", "guided_share") if name in sampling},
        "loras": [f"{lora['content'][:8]} at {lora['scale']}" for lora in fields["loras"]],
        "keyframes": dict(made.keyframes),
        "device": made.device_label,
        "made": record.made.isoformat(timespec="seconds"),
        "wan_render": record.wan_render,
        **({} if judgement is None else {"checks": judgement.to_json()}),
    }


def verdict_markers(judgement: Judgement | None, ratio: Fraction) -> tuple[EditorMarker, ...]:
    """A marker for each check that does not pass, at its frame; one marker for a take that passes all of them. ratio:
    frames of the media for each frame of the take."""
    if judgement is None:
        return ()
    if judgement.verdict is QcVerdict.PASS:
        return (EditorMarker(0, "QC pass", _COLOURS[QcVerdict.PASS]),)
    return tuple(_markers(judgement, ratio))


def _markers(judgement: Judgement, ratio: Fraction) -> Iterator[EditorMarker]:
    for name, result in judgement.checks.items():
        if result.verdict in (QcVerdict.FLAG, QcVerdict.FAIL):
            frame = media_frames(result.frame or 0, ratio)
            yield EditorMarker(frame, f"QC {result.verdict.value}: {name}{_value(result)}", _COLOURS[result.verdict])


def _value(result: QcResult) -> str:
    if result.value is None:
        return ""
    limit = "" if result.threshold is None else f" (limit {result.threshold:g})"
    return f" {result.value + 0.0:.3g}{limit}"
