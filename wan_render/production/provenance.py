"""Where a film comes from, for people and programs: which model made what of which pictures, beside every file.

The terms are those of C2PA 2.2 (actions, ingredients) and of IPTC (digital source types). `signing` signs them, if the
machine has a certificate.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from wan_render import __version__
from wan_render.cut import ClipSource, Cut
from wan_render.footage.footage_part import FootagePart
from wan_render.plan import FilmPlan, StillPicture
from wan_render.printable import path_name, printable
from wan_render.store import Store, TakeRecord
from wan_render.take import Plate

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SourceType = Literal["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "composite"]

BYTES = "application/octet-stream"
"""The media type of what has none."""

TAKES_LABEL = "org.wan-render.takes"
"""The label of the assertion that says how each take was made. C2PA has no such thing."""


@dataclass(frozen=True)
class DescribedFile:
    """The file that is described. done: what was done to the film for it, as C2PA actions."""

    name: str
    media_type: str
    sha256: str
    bytes: int
    done: tuple[Mapping[str, Any], ...] = ()


def provenance_name(file: str) -> str:
    """The name of the description beside a file or folder: `river-v001-av1.provenance.json`."""
    return f"{file.removesuffix(Path(file).suffix)}.provenance.json"


def provenance_text(file: DescribedFile, plan: FilmPlan, cut: Cut, store: Store, made: datetime) -> str:
    """The content of the description: equal for equal films that were made at the same time."""
    records = {key: store.record(key) for key in _clips(cut).values() if store.find(key) is not None}
    used = [each | {"label": f"i{at}"} for at, each in enumerate(_ingredients(plan, cut, records), start=1)]
    placed = [each["label"] for each in used if each["relationship"] == "componentOf"]
    content = {
        "version": 1,
        "file": file.name,
        "sha256": file.sha256,
        "bytes": file.bytes,
        "title": cut.title,
        "format": file.media_type,
        "claim_generator_info": [{"name": "wan-render", "version": __version__}],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": list(_actions(cut, placed, made, file))}},
            {"label": TAKES_LABEL, "data": {"takes": list(_takes(cut, records))}},
        ],
        "ingredients": used,
    }
    return printable(json.dumps(content, ensure_ascii=False, indent=1)) + "\n"


def digital_source_type(cut: Cut) -> SourceType:
    """The IPTC term for a film. Takes of a preview backend are drawn without a trained model."""
    trained = [isinstance(event.source, ClipSource) and not event.preview for event in cut.events]
    pictures = [isinstance(event.source, ClipSource | FootagePart | StillPicture) for event in cut.events]
    if not any(trained):
        return "composite"
    return "trainedAlgorithmicMedia" if trained == pictures else "compositeWithTrainedAlgorithmicMedia"


def _clips(cut: Cut) -> dict[str, str]:
    """Shot id → key of its take."""
    return {event.name: event.source.key for event in cut.events if isinstance(event.source, ClipSource)}


def _actions(cut: Cut, placed: Sequence[str], made: datetime, file: DescribedFile) -> Iterator[Mapping[str, Any]]:
    """placed: labels of the ingredients that are heard and seen as they are."""
    agent = {"name": "wan-render", "version": __version__}
    yield {
        "action": "c2pa.created",
        "when": made.isoformat(),
        "softwareAgent": agent,
        "digitalSourceType": f"{IPTC}{digital_source_type(cut)}",
    }
    if cut.match_colours is not None:
        yield {"action": "c2pa.color_adjustments", "softwareAgent": agent, "description": "colours of keyframes"}
    evened = {"late jumps of takes": cut.repair, "stop-and-go at joints": cut.easing}
    if named := [words for words, form in evened.items() if form is not None]:
        yield {"action": "c2pa.edited", "softwareAgent": agent, "description": f"motion evened: {', '.join(named)}"}
    if cut.upscale is not None:
        found = f"from {cut.size} to {cut.delivery} by {cut.upscale.in_words}"
        yield {"action": "c2pa.edited", "softwareAgent": agent, "description": f"upscaled {found}"}
    elif cut.size != cut.delivery:
        yield {"action": "c2pa.resized", "softwareAgent": agent, "description": f"from {cut.size} to {cut.delivery}"}
    if placed:
        yield {"action": "c2pa.placed", "softwareAgent": agent, "parameters": {"ingredientIds": list(placed)}}
    yield from ({**done, "softwareAgent": agent} for done in file.done)


def _takes(cut: Cut, records: Mapping[str, TakeRecord]) -> Iterator[Mapping[str, Any]]:
    for shot, key in _clips(cut).items():
        if (record := records.get(key)) is None:
            yield {"shot": shot, "take": key}
            continue
        fields, made_by = record.take, record.provenance
        yield {
            "shot": shot,
            "take": key,
            "model": {"name": made_by.model, "identity": fields["model"]},
            "backend": fields["backend"],
            "prompt": fields["prompt"],
            "negative": fields["negative"],
            "seed": fields["seed"],
            "sampling": fields["sampling"],
            "loras": [{"sha256": lora["content"], "scale": lora["scale"]} for lora in fields["loras"]],
            "keyframes": list(_keyframes(record)),
            "made": record.made.isoformat(),
            "made_by": f"wan-render {record.wan_render}",
            "device": made_by.device_label,
            "versions": dict(made_by.versions),
        }


def _keyframes(record: TakeRecord) -> Iterator[Mapping[str, Any]]:
    """The pictures that a take begins on, passes through and ends on; of a bridge the frames that it keeps."""
    named = record.provenance.keyframes
    plates = [("first", record.take["first"]), ("last", record.take["last"])]
    plates += [("through", leg["plate"]) for leg in record.take.get("through", ())]
    for role, plate in plates:
        if plate is None:
            continue
        if "picture" in plate:
            yield {"role": role, "name": named.get(role, ""), "sha256": plate["picture"]}
        else:
            yield {"role": role, "take": plate["take"], "frame": plate["frame"]}
    for role, part in (record.take.get("bridge") or {}).items():
        yield {"role": role, "take": part["take"], "frame": part["first"], "frames": part["frames"]}


def _ingredients(plan: FilmPlan, cut: Cut, records: Mapping[str, TakeRecord]) -> Iterator[dict[str, Any]]:
    """Every picture, video and sound file, and every model, each once, in the order of the film."""
    used: dict[str, dict[str, Any]] = {}
    for event in cut.events:
        match event.source:
            case ClipSource(key) if key in records:
                for keyframe in _keyframes(records[key]):
                    if digest := keyframe.get("sha256"):
                        name = _name(plan.pictures, digest, keyframe["name"])
                        used.setdefault(digest, _ingredient(name, digest, "inputTo"))
            case StillPicture(Plate(picture=digest)):
                used.setdefault(digest, _ingredient(_name(plan.pictures, digest, ""), digest, "componentOf"))
            case FootagePart(footage=digest):
                used.setdefault(digest, _ingredient(_name(plan.footage, digest, ""), digest, "componentOf"))
    for sound in cut.sound.sounds if cut.sound is not None else ():
        digest = sound.source
        used.setdefault(digest, _ingredient(_name(plan.sound_files, digest, ""), digest, "componentOf"))
    yield from used.values()
    models = {record.take["model"]: record.provenance.model for record in records.values()}
    for identity, name in models.items():
        yield {"title": name, "format": BYTES, "instance_id": identity, "relationship": "inputTo"}


def _name(files: Mapping[str, Path], digest: str, otherwise: str) -> str:
    return path_name(Path(files[digest].name)) if digest in files else otherwise


def _ingredient(name: str, digest: str, relationship: str) -> dict[str, Any]:
    kind = mimetypes.guess_type(name)[0] or BYTES
    return {"title": name, "format": kind, "instance_id": f"sha256:{digest}", "relationship": relationship}
