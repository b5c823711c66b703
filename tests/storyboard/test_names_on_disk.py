"""Files that lie there under a name that is written otherwise, or that cannot be used as they are."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.storyboard.conftest import Read
from wan_render.errors import StoryboardError

Form = Callable[[str], str]


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def apart(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize(("on_disk", "written"), [(apart, composed), (composed, apart)])
def test_a_name_is_found_in_either_normal_form(read: Read, folder: Path, on_disk: Form, written: Form) -> None:
    sounds = folder / on_disk("töne")
    sounds.mkdir()
    (sounds / written("wässer.wav")).write_bytes(b"x")  # a path whose parts are spelt in both ways
    (folder / on_disk("größe.safetensors")).write_bytes(b"x")
    (folder / on_disk("clip-é.mp4")).write_bytes(b"x")
    (folder / "keyframes" / "river.png").rename(folder / on_disk("café.png"))
    board = read(
        written(
            "keyframes: {k: café.png}\nshots:\n"
            "  - {from: k, sound: töne/wässer.wav, render: {loras: größe.safetensors}}\n  - {clip: clip-é.mp4}\n"
        )
    ).storyboard
    rendered, clip = board.scenes[0].shots
    assert rendered.render is not None
    assert rendered.render.loras is not None
    assert clip.clip is not None
    paths = [board.keyframes["k"].image, rendered.sound[0].file, rendered.render.loras[0].path, clip.clip]
    assert [(folder / str(path)).is_file() for path in paths] == [True] * 4
    assert rendered.sound[0].file == f"{on_disk('töne')}/{written('wässer.wav')}"


@pytest.mark.parametrize(("on_disk", "written"), [(apart, composed), (composed, apart)])
def test_a_folder_of_keyframes_and_its_pictures_are_too(read: Read, folder: Path, on_disk: Form, written: Form) -> None:
    (folder / on_disk("bilder-ä")).mkdir()
    (folder / "keyframes" / "river.png").rename(folder / on_disk("bilder-ä") / on_disk("ñ.png"))
    board = read(written("keyframes: bilder-ä\nshots: [{from: ñ}]\n")).storyboard
    assert list(board.keyframes) == ["ñ"]
    assert (folder / str(board.keyframes["ñ"].image)).is_file()


def test_a_damaged_picture_of_a_folder_is_told_whatever_form_names_it(read: Read, folder: Path) -> None:
    (folder / "keyframes" / apart("ñ.png")).write_bytes(b"no picture")
    with pytest.raises(StoryboardError, match="is not a picture"):
        read(apart("keyframes: keyframes\nshots: [{from: ñ}]\n"))


def test_the_storyboard_itself_is_found_in_either_form(read: Read, folder: Path) -> None:
    read("keyframes: keyframes\nshots: [{from: river}]\n").file.rename(folder / apart("é.yaml"))
    from tests.storyboard.conftest import NamedModels
    from wan_render.facts import FactCache
    from wan_render.storyboard import read_storyboard

    found = read_storyboard(folder / composed("é.yaml"), models=NamedModels(), cache=FactCache(folder / "cache"))
    assert found.file == folder / apart("é.yaml")


def test_nothing_outside_is_looked_for_by_another_form(read: Read, folder: Path) -> None:
    (folder.parent / apart("é")).mkdir()
    (folder.parent / apart("é") / "x.png").write_bytes(b"")
    with pytest.raises(StoryboardError, match="outside the storyboard's folder"):
        read(composed("keyframes: {k: ../é/x.png}\nshots: [{from: k}]\n"))


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("noon.heic", "kf/noon.heic exists, but HEIC is not supported; save it as JPEG or PNG"),
        ("noon.HEIF", "kf/noon.HEIF exists, but HEIF is not supported; save it as JPEG or PNG"),
        ("noon.jxl", "kf/noon.jxl exists, but JPEG XL is not supported; save it as JPEG or PNG"),
        ("noon.dng", "kf/noon.dng exists, but a camera's raw format is not supported; save it as JPEG or PNG"),
        ("noon.mov", "kf/noon.mov exists, but is a video; save one of its frames as PNG"),
        ("noon", "kf/noon exists, but has no suffix; add the suffix of its format, such as .png or .jpg"),
        ("noon.jpg_large", "kf/noon.jpg_large exists, but '.jpg_large' files are not read as pictures"),
        (apart("nòon.heic"), "HEIC is not supported"),
    ],
)
@pytest.mark.parametrize("has_others", [True, False])
def test_a_picture_that_is_not_read_is_named(
    read: Read, folder: Path, file: str, told: str, *, has_others: bool
) -> None:
    (folder / "kf").mkdir()
    (folder / "kf" / file).write_bytes(b"x")
    if has_others:
        (folder / "keyframes" / "dawn.png").rename(folder / "kf" / "dawn.png")
    with pytest.raises(StoryboardError) as caught:
        read(f"keyframes: kf\nshots: [{{from: {composed(Path(file).stem)}}}]\n")
    (problem,) = caught.value.problems
    if has_others:
        assert told in str(problem)
    elif not file.endswith(("mov", "large")):  # what is plainly no picture is not taken for a keyframe
        assert told.partition("; ")[0] in problem.found
    assert ("no keyframe is named" if has_others else "contains no pictures") in problem.found


@pytest.mark.parametrize("ending", ["jfif", "JPE", "apng"])
def test_every_ending_of_the_formats_that_are_read_is_a_pictures(read: Read, folder: Path, ending: str) -> None:
    source = "waterfall.jpg" if ending != "apng" else "dawn.png"
    (folder / "keyframes" / source).rename(folder / "keyframes" / f"new.{ending}")
    assert "new" in read("keyframes: keyframes\nshots: [{from: new}]\n").storyboard.keyframes


def test_a_link_to_a_folder_of_weights_elsewhere_is_told_as_one(read: Read, folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere" / "my-wan"
    elsewhere.mkdir(parents=True)
    (folder / "weights").symlink_to(elsewhere)
    text = "shots: [{action: go, render: {t2v: {model: weights}}}]\n"
    with pytest.raises(StoryboardError) as caught:
        read(text)
    (problem,) = caught.value.problems
    assert problem.found == f"'weights' is a link to {elsewhere}, outside the storyboard's folder"
    assert problem.remedy == f"move it there, or allow it with --allow {elsewhere.parent}"
    assert read(text, elsewhere.parent).storyboard.scenes


@pytest.mark.parametrize("text", ["render: {t2v: {model: gone}}", "sound: gone", "render: {loras: gone.safetensors}"])
def test_a_link_that_leads_nowhere_is_told_as_one(read: Read, folder: Path, text: str) -> None:
    for name in ("gone", "gone.safetensors"):
        (folder / name).symlink_to("nowhere")
    with pytest.raises(StoryboardError, match=r"is a broken link: nowhere does not exist"):
        read(f"shots: [{{action: go, {text}}}]\n")


@pytest.mark.parametrize("name", ["dawn.png", "keyframes/dawn.png", "dawn.heic"])
def test_a_keyframe_named_by_its_file_is_told_its_name(read: Read, folder: Path, name: str) -> None:
    (folder / "keyframes" / "dawn.heic").touch()
    with pytest.raises(StoryboardError) as caught:
        read(f"keyframes: keyframes\nshots: [{{from: {name}}}]\n")
    (problem,) = caught.value.problems
    assert problem.found == f"no keyframe is named '{name}'"
    assert problem.remedy == "write dawn: keyframes are named without folder and suffix"
