"""The value of `plan --json`, and of plan.json next to every film. docs/plan-json.md describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from wan_render.cut import film_frames
from wan_render.errors import Problem
from wan_render.keys import canonical
from wan_render.plan import AppliedLora, FilmPlan, PlannedDeliverable, PlannedShot, PlannedSound
from wan_render.status.film_status import FilmStatus, ShotStatus, TakeStatus
from wan_render.status.pins import pin_warnings
from wan_render.status.prompt_json import prompt_json

FORM = 1
"""Goes up whenever something that a reader may rely on is renamed or removed, but not for additions."""


def plan_json(
    plan: FilmPlan, status: FilmStatus, lettering: Sequence[Problem] = (), run: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One object of plain JSON values. lettering: warnings about text that the font cannot draw, if a font was
    asked. run: the expected time on this machine's devices, if it is known."""
    frames = film_frames(plan)
    return {
        "version": FORM,
        "film": _film(plan),
        "frames": frames,
        "seconds": float(frames / plan.rate),
        "expected": _expected(status) | {"run": run},
        "warnings": [asdict(warning) for warning in (*plan.warnings, *lettering, *pin_warnings(status))],
        "notes": [asdict(note) for note in plan.notes],
        "loras": [_lora(lora) for lora in plan.applied_loras],
        "sounds": [_sound(sound) for sound in plan.sounds],
        "shots": [_shot(shot, plan) for shot in status.shots],
        "subtitles": _subtitles(plan),
        "deliverables": [_deliverable(each) for each in plan.deliverables.wanted],
        "prompts": [prompt_json(prompt) for prompt in plan.prompts],
        "painted": [{"keyframe": name} | _take(take, take.key, plan) for name, take in status.paintings.items()],
    }


def _expected(status: FilmStatus) -> dict[str, Any]:
    return {
        "device_seconds": round(status.seconds, 1),
        "film_seconds": round(status.film_seconds, 1),
        "film_change": status.film_change,
        "undelivered": list(status.undelivered),
        "bytes": status.bytes,
    }


def _film(plan: FilmPlan) -> dict[str, Any]:
    return {
        "title": plan.title,
        "slug": plan.slug,
        "storyboard": plan.file.name,
        "backend": plan.backend,
        "raster": str(plan.size),
        "delivery": str(plan.delivery),
        "fit": plan.fit,
        "rate": str(plan.rate),
        "retime": plan.retime,
        "dissolves": plan.dissolves,
        "match_colours": plan.match_colours,
        "repair_jumps": plan.repair_jumps,
        "ease_joints": plan.ease_joints,
        "upscale": canonical(plan.upscale),
        "priority": plan.priority,
        "loudness": plan.soundtrack.loudness if plan.soundtrack is not None else None,
        "language": plan.language or None,
    }


def _subtitles(plan: FilmPlan) -> dict[str, Any] | None:
    if plan.subtitles is None:
        return None
    cues = [
        {"start": float(cue.start), "end": float(cue.end), "who": cue.who or None, "text": cue.text}
        for cue in plan.subtitles.cues
    ]
    return {"forms": list(plan.subtitles.forms), "cues": cues}


def _deliverable(each: PlannedDeliverable) -> dict[str, Any]:
    return {
        "form": each.form,
        "size": str(each.size),
        "rate": str(each.rate),
        "frames": each.frames,
        "bytes": each.bytes,
    }


def _lora(lora: AppliedLora) -> dict[str, Any]:
    experts = [
        {"expert": expert or None, "layers": layers.applied, "of": layers.total} for expert, layers in lora.experts
    ]
    return {"path": lora.path, "model": lora.model, "worn": experts, "left_out": lora.left_out}


def _sound(sound: PlannedSound) -> dict[str, Any]:
    placed = sound.placed
    times = {name: getattr(placed, name) for name in ("start", "length", "fade_in", "fade_out", "skip")}
    return {
        "kind": sound.kind,
        "owner": sound.owner or None,
        "name": sound.name,
        "source": placed.source,
        **{name: float(seconds) for name, seconds in times.items()},
        "gain": placed.gain,
        "loop": placed.loop,
        "duck": placed.duck,
        "speech": placed.speech,
    }


def _shot(shot: ShotStatus, plan: FilmPlan) -> dict[str, Any]:
    value: dict[str, Any] = {"id": shot.id, "state": shot.state.value, "why": shot.why}
    if shot.planned is not None:
        value |= _planned(shot.planned)
    return value | {"takes": [_take(take, shot.chosen, plan) for take in shot.takes]}


def _planned(shot: PlannedShot) -> dict[str, Any]:
    return {
        "frames": shot.frames,
        "first": shot.first,
        "hold": shot.hold,
        "rate": None if shot.rate is None else str(shot.rate),
        "joint": canonical(shot.joint),
        "from": shot.from_name,
        "to": shot.to_name,
        "through": list(shot.through_names),
        "model": shot.model,
        "bridges": canonical(shot.bridges),
    }


def _take(take: TakeStatus, chosen: str, plan: FilmPlan) -> dict[str, Any]:
    named = {
        "number": take.number,
        "key": take.key,
        "state": take.state.value,
        "why": take.why,
        "chosen": take.key == chosen,
        "gpus": plan.gpus.get(take.key),
        "remarks": list(plan.remarks.get(take.key, ())),
        "checks": None if take.judgement is None else take.judgement.to_json(),
    }
    return named | dict(take.fields)
