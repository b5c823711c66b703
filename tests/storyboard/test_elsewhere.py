"""Keys one level too high or too low, and those of other tools: told with their place."""

from __future__ import annotations

import pytest

from tests.storyboard.conftest import Read
from wan_render.errors import StoryboardError
from wan_render.storyboard.elsewhere import known_elsewhere
from wan_render.storyboard.forms import STORYBOARD, Form, Many, Record, Table
from wan_render.storyboard.nodes import ScalarNode

HEAD = "keyframes: {a: keyframes/dawn.png, b: keyframes/noon.png}\n"


def told(read: Read, text: str) -> list[str]:
    with pytest.raises(StoryboardError) as caught:
        read(HEAD + text)
    return [f"{problem.where.split(': ')[-1]}: {problem.remedy}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("shot", "remedy"),
    [
        ("from: a, to: b, seed: 3", "write render: {seed: 3}"),
        ("from: a, to: b, steps: 20", "write render: {flf2v: {steps: 20}}"),
        ("from: a, steps: 20", "write render: {i2v: {steps: 20}}"),
        ("action: x, cfg: 5", "write render: {t2v: {guidance: 5}}"),
        ("from: a, frames: 81", "write render: {frames: 81}"),
        ("from: a, num_frames: 81", "write render: {frames: 81}"),
        ("from: a, sound: {file: audio/water.wav, volume: -3}", "write gain: -3"),
        ("from: a, negative_prompt: blur", "write render: {negative: blur}"),
        ("from: a, negativePrompt: 'a: b'", "write render: {negative: …}"),
        ("from: a, fps: 24", "write film: {rate: 24}, at the top of the file"),
        ("from: a, width: 832", "write film: {raster: 832x480}, at the top of the file"),
        ("from: a, resolution: 720p", "write film: {raster: 720p}, at the top of the file"),
        ("from: a, lora: x.safetensors", "write render: {loras: x.safetensors}"),
        ("from: a, model: m", "write render: {i2v: {model: m}}"),
        ("from: a, style: x", "write look: {style: x}"),
        ("from: a, seconds: 5", "write duration: 5s"),
        ("from: a, camera: pan left", "write move: pan left"),
        ("from: a, music: x.wav", "write audio: {music: x.wav}, at the top of the file"),
        ("from: a, sampler: euler", "delete it"),
        ("from: a, look: {seed: 3}", "write render: {seed: 3}, in the shot"),
        ("from: a, render: {steps: 3}", "write render: {flf2v: {steps: 3}}, in the shot"),
        ("from: a, render: {i2v: {seed: 3}}", "write render: {seed: 3}, in the shot"),
        ("from: a, render: {i2v: {cfg_scale: 3}}", "write guidance: 3"),
    ],
)
def test_a_shots_key_is_told_with_its_place(read: Read, shot: str, remedy: str) -> None:
    (problem,) = told(read, f"shots: [{{{shot}}}]\n")
    assert problem.endswith(f": {remedy}")


@pytest.mark.parametrize("first", ["start", "image", "first_frame", "start_image"])
@pytest.mark.parametrize("last", ["end", "last_frame", "end_image"])
def test_keyframes_of_other_tools_are_from_and_to(read: Read, first: str, last: str) -> None:
    assert told(read, f"shots: [{{{first}: a, {last}: b}}]\n") == [
        f"shots[0].{first}: write from: NAME, of a keyframe",
        f"shots[0].{last}: write to: NAME, of a keyframe",
    ]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("seed: 4", "seed: write defaults: {render: {seed: 4}}"),
        ("steps: 4", "steps: write defaults: {render: {flf2v: {steps: 4}}}"),
        ("fps: 24", "fps: write film: {rate: 24}"),
        ("duration: 5s", "duration: write defaults: {duration: 5s}"),
        ("style: x", "style: write look: {style: x}"),
        ("music: a.wav", "music: write audio: {music: a.wav}"),
        ("film: {seed: 3}", "film.seed: write defaults: {render: {seed: 3}}, at the top of the file"),
        ("film: {size: 720p}", "film.size: write raster: 720p"),
        ("film: {look: x}", "film.look: write look: x, at the top of the file"),
        ("defaults: {seed: 1}", "defaults.seed: write render: {seed: 1}"),
        ("defaults: {steps: 9}", "defaults.steps: write render: {flf2v: {steps: 9}}"),
        ("defaults: {from: a}", "defaults.from: write shots: [{from: a}], for a shot"),
        ("look: {seed: 1}", "look.seed: write defaults: {render: {seed: 1}}, at the top of the file"),
        ("look: {action: x}", "look.action: write shots: [{action: x}], for a shot"),
    ],
)
def test_a_key_of_the_film_is_told_with_its_place(read: Read, text: str, remedy: str) -> None:
    assert told(read, f"{text}\nshots: [{{from: a}}]\n") == [remedy]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("from: a", "scenes[0].from: write shots: [{from: a}], for a shot"),
        ("title: One", "scenes[0].title: write slugline: One"),
        ("id: s1", "scenes[0].id: write scene: s1"),
        ("cfg_scale: 5", "scenes[0].cfg_scale: write render: {flf2v: {guidance: 5}}"),
        ("fps: 24", "scenes[0].fps: write film: {rate: 24}, at the top of the file"),
    ],
)
def test_a_scenes_key_is_told_with_its_place(read: Read, text: str, remedy: str) -> None:
    assert told(read, f"scenes: [{{{text}, shots: [{{from: a}}]}}]\n") == [remedy]


def test_a_painted_keyframe_is_a_t2v_shot(read: Read) -> None:
    text = "keyframes: {x: {prompt: y, steps: 4}}\nshots: [{from: x}]\n"
    with pytest.raises(StoryboardError, match=r"write render: \{t2v: \{steps: 4\}\}"):
        read(text)


def test_a_misspelt_key_is_still_guessed(read: Read) -> None:
    assert told(read, "shots: [{from: a, duratoin: 5s}]\n") == ["shots[0].duratoin: did you mean 'duration'?"]


MEANT_IN_THEIR_MAPS_ALONE = {"t2v", "i2v", "flf2v", "bridge", "text", "at", "for", "scene", "slugline"}
"""Keys of one kind of map. In another one they mean nothing that elsewhere.py could tell."""


def _ways(form: Form, path: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], Record]]:
    """Every map of the format with a place where it may stand."""
    match form:
        case Many(item):
            return _ways(item, (*path, 0))
        case Table(value):
            return _ways(value, (*path, "name"))
        case Record():
            return [(path, form), *(way for key, inner in form.fields.items() for way in _ways(inner, (*path, key)))]
    return []


def test_every_key_of_the_format_is_known_in_every_map_that_lacks_it() -> None:
    """No key of ours is answered with a place where it is not allowed: a place is a way of keys that there are."""
    maps = _ways(STORYBOARD, ())
    every = {key for _, record in maps for key in record.fields} - MEANT_IN_THEIR_MAPS_ALONE
    value = ScalarNode("1", plain=True, mark=(1, 1), end=1)
    for path, record in maps:
        for key in every - set(record.fields):
            found = known_elsewhere(key, value, path, tuple(record.fields), ())
            assert found is not None, (key, path)
            assert found.remedy.startswith(("write ", "delete it")), (key, path)
