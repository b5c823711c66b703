"""The committed JSON Schema: current, accepting whatever the reader accepts, refusing what is in its reach.

Files are seen as an editor's plugin sees them: by the core schema of YAML 1.2, where `010` is a number and `no` a text.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # no types are published with it
import pytest
import yaml

from tests.storyboard.test_corpus import BAD, GOOD
from wan_render.storyboard.json_schema import json_schema, schema_text

COMMITTED = Path(__file__).parents[2] / "storyboards" / "storyboard.schema.json"
HARBOUR = "keyframes: keyframes/\nshots:\n  - {from: dawn, "

OUT_OF_REACH = re.compile(
    "alias-mistake|attribute-id|both-|bomb|card-|circle-in|cycle|deep|directive|duplicate|empty|escape|focus-w|folder-|frame-w|image-and|"
    "keyframe-called|last-|list-as|lora-|merge-|misspelt-r|missing-|model-|neither|no-|not-a|outside|picture-|previous-|"
    "same-|slip-|sound-|still-|tag|through-|time-(day|infinite|negative|word|zero)|to-alone|transition-|two-|unknown-(alias|keyframe|model)|"
    "budget|hosted-|deliver-odd|raster-off|shot-id|slug|aspect|gain|number-nan|seed-"
)
"""Bad files whose mistake is between keys, in the world, in YAML itself, or within a pattern."""


class Editor(yaml.SafeLoader):
    """The core schema of YAML 1.2, with merge keys and with keys as texts."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way


for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", "<<", ["<"]),
):
    Editor.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)
Editor.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(str(node.value)))
Editor.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(str(node.value)))


def seen(text: str) -> Any:
    return json.loads(json.dumps(yaml.load(text, Editor)))  # noqa: S506 - a SafeLoader


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_committed_schema_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m wan_render.storyboard > storyboards/storyboard.schema.json"
    )


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_the_schema_accepts_every_good_file(file: Path, validator: jsonschema.Draft202012Validator) -> None:
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(seen(file.read_text()))]
    assert not errors


IN_REACH = [file for file in BAD if not OUT_OF_REACH.match(file.stem)]


@pytest.mark.parametrize("file", IN_REACH, ids=lambda file: file.stem)
def test_the_schema_refuses_bad_files_in_its_reach(file: Path, validator: jsonschema.Draft202012Validator) -> None:
    assert list(validator.iter_errors(seen(file.read_text())))


def test_much_is_in_its_reach() -> None:
    assert len(IN_REACH) >= 15


@pytest.mark.parametrize(
    "keys",
    [
        "shot: 010", "shot: 1.10", "shot: true", "duration: 5", "duration: 5.0", "duration: 5 S", "duration: 81F",
        "duration: 00:00:05:00", "takes: 010", "takes: +3", 'takes: "3"', "circle: 2", 'circle: "2"',
        "circle: 2@7f3a91",
        "ng: 1", "ng: [1, '2']", 'ng: ""', "action: 5", "action: no", "action: false", "action: ~", "action: ",
        "x-y: {z: 1}",
        "transition: ~", "transition: Bridge 16f", "render: {bridge: {steps: 20}}",
        "render: {seed: 0}", "render: {flf2v: {guidance: 5, shift: 1e1}}",
        "render: {flf2v: {guidance: [5, 4.5]}}", "render: {negative: NONE}", "render: {profile: Draft}",
        "render: {flf2v: {model: {comfyui: audio/water.wav, seed: [3.seed, 4.seed], images: 8, rate: 24}}}",
        "render: {extend: true}", "render: {extend: {enabled: Off, names: Anna}}",
        "render: {gpus: 2}", "render: {gpus: Auto}", "cloud: {allow: yes, model: wan2.7-i2v}",
        "render: {variant: Exact-Attention}", "render: {previous: Latents}",
        "qc: {retakes: 2}", "qc: {check: OFF}", "qc: {retakes: 0, check: on}",
        "sound: audio/water.wav",
        "sound: {file: audio/water.wav, gain: -18}", "sound: {file: audio/water.wav, gain: -18 db}",
        "sound: {file: audio/water.wav, at: -1s}", "sound: [audio/water.wav]",
        "sound: {file: audio/water.wav, loop: true, duck: -9 dB, speech: no}",
        "sound: {file: audio/water.wav, loop: On}",
        "sound: {file: audio/water.wav, duck: OFF}", "narration: {say: Hello, tool: mill, voice: anna, seed: 2}",
        "sound: {prompt: rain}", "narration: audio/water.wav", "duration: Narration",
        "subtitle: 5",
        "subtitle: [a, {text: b}]",
        "dialogue: no", "dialogue: [{who: Anna, text: b, at: 1s, for: 8f}, c]", "dialogue: {who: 5, text: 6}",
        "to: {clip: audio/water.wav, frame: 3}", "to: {clip: audio/water.wav, frame: 2.5s}",
        "to: {clip: audio/water.wav, frame: Last, focus: [0, 1]}",
        "status: OMIT", "look: {avoid: a}", "look: {avoid: [a, 1]}",
        "to: noon, through: [dawn, {keyframe: dusk, at: 1s}]",
    ],
)  # fmt: skip
def test_every_spelling_that_is_read_is_accepted(
    keys: str, read: Any, validator: jsonschema.Draft202012Validator
) -> None:
    text = HARBOUR + keys + "}\n"
    read(text)
    assert not list(validator.iter_errors(seen(text)))


@pytest.mark.parametrize(
    "film",
    ["aspect: 16:9", "aspect: 2", "aspect: 2.39:1", "raster: 720P", "raster: 64 x 48", "deliver: 4K", "rate: NATIVE",
     "rate: 24", 'rate: "24"', "fit: Contain", "slug: 010", "title: 1", "fade_in: 0", "title: ", "x-a: b",
     "language: zh", "language: zh-Hant", "language: pt_br", "language: yue", "subtitles: Burned",
     "subtitles: [track, files]", "subtitles: []", 'subtitles: ""', "priority: 3", 'priority: "3"',
     "rate: {fps: 24, method: FLOW}", "dissolves: Video", "match_colours: ON", "upscale: Lanczos",
     "upscale: {method: realesrgan, weights: Photo, strength: 0.5}", "upscale: {strength: .5, method: REALESRGAN}",
     "deliverables: AV1", "deliverables: [h264, Prores422HQ]", "deliverables: []", "timecode: 10:00:00:00",
     "poster: 2s", "repair_jumps: On", "ease_joints: on"],
)  # fmt: skip
def test_every_spelling_of_the_film_is_accepted(
    film: str, read: Any, validator: jsonschema.Draft202012Validator
) -> None:
    text = f"film: {{{film}}}\n{HARBOUR} to: noon}}\n"
    read(text)
    assert not list(validator.iter_errors(seen(text)))


def test_every_key_has_words_for_the_editor() -> None:
    schema = json_schema()
    maps = [schema, *schema["$defs"].values()]
    wordless = [key for each in maps for key, value in each["properties"].items() if not value.get("description")]
    assert not wordless


def test_the_users_page_has_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "storyboard.md").read_text(encoding="utf-8")
    words = {word for code in re.findall(r"`([^`\n]+)`", page) for word in re.split(r"[\s:,{}\[\]]+", code)}
    schema = json_schema()
    keys = {key for each in (schema, *schema["$defs"].values()) for key in each["properties"]}
    assert not keys - words


def test_the_examples_of_the_users_page_read(read: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "storyboard.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(version.*?)```", page, re.DOTALL)
    assert examples
    for example in examples:
        assert read(example)
