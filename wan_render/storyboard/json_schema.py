"""The JSON Schema of the format, for editors. Made from the same forms that the reader follows."""

from __future__ import annotations

import json
from typing import Any

from wan_render.authored import Authored
from wan_render.authored.spelling import ReferenceKind
from wan_render.storyboard.forms import STORYBOARD, Form, Many, Record, Scalar, Table

Schema = dict[str, Any]
NULL: Schema = {"type": "null"}
IGNORED: Schema = {"^x-": {}, "^<<$": {}}
"""Keys that begin with x- are ignored; merge keys, for editors that do not flatten them."""


def json_schema() -> Schema:
    """The schema of a storyboard as an editor's YAML 1.2 parser reads it. Accepts all that the reader accepts."""
    definitions: dict[str, Schema] = {}
    root = _record(Record(STORYBOARD.model), definitions)
    shots = dict(definitions["Scene"]["properties"]["shots"])
    shots["description"] = "The shots of a film with one scene, instead of scenes."
    root["properties"]["shots"] = shots
    keyframes = root["properties"]["keyframes"]
    root["properties"]["keyframes"] = {**keyframes, "anyOf": [{"type": "string"}, *keyframes["anyOf"]]}  # or a folder
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wan-render storyboard",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(form: Form, definitions: dict[str, Schema]) -> Schema:
    match form:
        case Scalar() if form.spelling.role in (ReferenceKind.START, ReferenceKind.KEYFRAME):
            keyframes = STORYBOARD.fields["keyframes"]
            assert isinstance(keyframes, Table)  # noqa: S101 - for mypy
            assert isinstance(keyframes.value, Record)  # noqa: S101 - for mypy
            written = _reference(keyframes.value, definitions)["anyOf"][0]
            return _either(dict(form.spelling.schema), written)
        case Scalar():
            return dict(form.spelling.schema)
        case Many():
            return _list(form, definitions)
        case Table():
            value = _either(_schema(form.value, definitions), NULL)
            return {"type": "object", "patternProperties": IGNORED, "additionalProperties": value}
    return _reference(form, definitions)


def _list(form: Many, definitions: dict[str, Schema]) -> Schema:
    item = _schema(form.item, definitions)
    array: Schema = {"type": "array", "items": item}
    if form.length:
        array |= {"minItems": form.length, "maxItems": form.length}
    if form.distinct:
        array["uniqueItems"] = True
    return _either(array, item, {"const": ""}) if form.single else array


def _reference(form: Record, definitions: dict[str, Schema]) -> Schema:
    name = form.model.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _record(form, definitions)
    reference = {"$ref": f"#/$defs/{name}"}
    if not form.shorthand:
        return reference
    return _either(reference, _schema(form.fields[form.shorthand], definitions))


def _record(form: Record, definitions: dict[str, Schema]) -> Schema:
    required = [info.alias or name for name, info in form.model.model_fields.items() if _is_required(form.model, name)]
    return {
        "type": "object",
        "description": (form.model.__doc__ or "").partition("\n")[0],
        "properties": {key: _property(form, key, definitions) for key in form.fields},
        "patternProperties": IGNORED,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _property(form: Record, key: str, definitions: dict[str, Schema]) -> Schema:
    """A key's schema with its description. Allows an empty value, which means not set."""
    infos = {info.alias or name: info for name, info in form.model.model_fields.items()}
    schema = _schema(form.fields[key], definitions)
    return {"description": infos[key].description or "", **_either(schema, NULL)}


def _either(*schemas: Schema) -> Schema:
    """A choice of schemas; nested choices are flattened."""
    flat = [part for schema in schemas for part in (schema["anyOf"] if set(schema) == {"anyOf"} else [schema])]
    return {"anyOf": flat}


def _is_required(model: type[Authored], name: str) -> bool:
    """Whether a file must have the field. Ids may be missing: the reader numbers scenes and shots without one."""
    return model.model_fields[name].is_required() and name != "id"


def schema_text() -> str:
    """The schema as it is committed in `storyboards/storyboard.schema.json`."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"
