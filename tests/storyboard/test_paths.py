"""The files that a storyboard names: where they may lie, and what they must be."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.storyboard.conftest import Read
from tests.work import calls, ends
from wan_render.errors import StoryboardError


def keyframe(path: str) -> str:
    return f"keyframes: {{a: {path}}}\nshots: [{{from: a}}]\n"


def refused(read: Read, text: str, words: str, *allow: Path) -> None:
    with pytest.raises(StoryboardError, match=re.escape(words)):
        read(text, *allow)


def test_outside_the_folder_needs_leave(read: Read, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "shared"
    outside.mkdir()
    (outside / "dawn.png").hardlink_to(folder / "keyframes" / "dawn.png")
    for text in (keyframe("../shared/dawn.png"), keyframe(str(outside / "dawn.png"))):
        refused(read, text, "is outside the storyboard's folder")
        assert read(text, outside).storyboard.keyframes["a"].image


@pytest.mark.parametrize("path", ["/dawn.png", "../dawn.png", "~home/dawn.png", "/home/dawn.png"])
def test_a_folder_that_holds_much_more_is_not_proposed(read: Read, path: str) -> None:
    with pytest.raises(StoryboardError) as caught:
        read(keyframe(path.replace("~home", str(Path.home()))))
    assert caught.value.problems[0].remedy == "move it there"


def test_a_folder_of_its_own_is_proposed(read: Read, tmp_path: Path) -> None:
    refused(read, keyframe("../shared/dawn.png"), f"allow it with --allow {tmp_path / 'shared'}")


def test_a_link_leads_no_further_than_a_path(read: Read, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").hardlink_to(folder / "keyframes" / "dawn.png")
    (folder / "keyframes" / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "all").symlink_to(tmp_path)
    link = f"is a link to {tmp_path / 'secret.png'}, outside the storyboard's folder"
    refused(read, keyframe("keyframes/link.png"), f"'keyframes/link.png' {link}")
    refused(read, keyframe("all/secret.png"), link)
    refused(read, "keyframes: keyframes/\nshots: [{from: link}]\n", link)
    refused(read, "keyframes: all/\nshots: [{from: secret}]\n", f"'all/' is a link to {tmp_path}, outside")
    assert read(keyframe("all/secret.png"), tmp_path)


def test_whether_a_place_outside_exists_is_not_told(read: Read) -> None:
    with pytest.raises(StoryboardError) as there:
        read(keyframe("/etc/passwd"))
    with pytest.raises(StoryboardError) as not_there:
        read(keyframe("/etc/passwq"))
    assert str(there.value).replace("passwd", "") == str(not_there.value).replace("passwq", "")


def test_a_pipe_is_not_waited_for(read: Read, folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe.wav")
    refused(read, keyframe("pipe.png"), "'pipe.png' is not a file")
    refused(read, "shots: [{action: a, sound: pipe.wav}]\n", "'pipe.wav' is not a file")


def test_a_loop_of_links_leads_nowhere(read: Read, folder: Path) -> None:
    (folder / "loop.png").symlink_to("loop.png")
    refused(read, keyframe("loop.png"), "'loop.png'")


@pytest.mark.parametrize(
    "path", ["x" * 300 + ".png", "a/" * 20 + "b.png", "a/" * 400_000, '"~/dawn.png"', "'a\\b.png'", '" "']
)
def test_odd_paths_are_refused_in_words(read: Read, path: str) -> None:
    with pytest.raises(StoryboardError) as caught:
        read(keyframe(path))
    assert len(caught.value.problems) == 1


def test_pictures_of_a_folder_are_named_by_their_files(read: Read, folder: Path) -> None:
    for name in (".hidden.png", "notes.txt", "Thumbs.db"):
        (folder / "keyframes" / name).write_bytes(b"no picture")
    (folder / "keyframes" / "more").mkdir()
    (folder / "keyframes" / "dawn.png").rename(folder / "keyframes" / "at dawn.2.PNG")
    board = read("keyframes: keyframes\nshots: [{from: at dawn.2}]\n").storyboard
    assert board.keyframes["at dawn.2"].image == "keyframes/at dawn.2.PNG"
    assert not {"notes", "hidden", "Thumbs", "more"} & set(board.keyframes)


def test_two_pictures_of_one_name_are_a_mistake(read: Read, folder: Path) -> None:
    (folder / "keyframes" / "dawn.webp").hardlink_to(folder / "keyframes" / "dove.webp")
    words = "two pictures are named 'dawn': keyframes/dawn.png, keyframes/dawn.webp"
    refused(read, "keyframes: keyframes\nshots: [{from: dawn}]\n", words)
    with pytest.raises(StoryboardError) as caught:
        read("film: {rate: 0}\nkeyframes: keyframes\nshots:\n- {from: dawn, to: nowhere, duratoin: 2s}\n")
    told = [problem.found for problem in caught.value.problems]
    assert len(told) == 4
    assert words in told


def test_only_the_pictures_of_a_folder_that_are_used_must_be_whole(read: Read, folder: Path) -> None:
    (folder / "keyframes" / "broken.png").write_bytes(b"\x89PNG\r\n")
    assert read("keyframes: keyframes\nshots: [{from: dawn}]\n")
    refused(read, "keyframes: keyframes\nshots: [{from: broken}]\n", "keyframes.broken: 'keyframes/broken.png'")
    refused(
        read,
        "keyframes: {a: keyframes/broken.png}\nshots: [{action: b}]\n",
        "keyframes.a.image: 'keyframes/broken.png'",
    )


def test_a_file_without_leave_to_read_it_is_a_mistake(read: Read, folder: Path) -> None:
    (folder / "audio" / "water.wav").chmod(0)
    if os.access(folder / "audio" / "water.wav", os.R_OK):
        pytest.skip("root may read everything")
    refused(read, "shots: [{action: a, sound: audio/water.wav}]\n", "cannot be read")


@pytest.mark.parametrize(
    ("written", "guess"),
    [("keyframes/dwan.png", "dawn.png"), ("keyframes/dawn.jpg", "dawn.png"), ("keyframes/gone.png", "")],
)
def test_a_guess_is_about_the_name_not_its_folder_or_ending(read: Read, written: str, guess: str) -> None:
    with pytest.raises(StoryboardError) as caught:
        read(keyframe(written))
    remedy = f"did you mean 'keyframes/{guess}'?" if guess else ""
    assert caught.value.problems[0].remedy == remedy


def test_each_of_many_missing_files_is_the_same_work(read: Read) -> None:
    def missing(files: int) -> Callable[[], None]:
        def refused() -> None:
            with pytest.raises(StoryboardError):
                read(
                    f"shots:\n- {{action: a, sound: [{','.join(f'audio/w{number}.wav' for number in range(files))}]}}\n"
                )

        return refused

    with ends():
        assert calls(missing(8_000)) < 4.4 * calls(missing(2_000))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("style.pt", "a pickled file can run programs and is never opened; convert it to safetensors"),
        ("style.CKPT", "never opened; convert it to safetensors"),
        ("style.bin", "never opened; convert it to safetensors"),
        ("style.gguf", "LoRAs are read from safetensors only; convert it to safetensors"),
        ("style.zip", "'loras/style.zip' is not a .safetensors file; LoRAs are read from safetensors only"),
        ("", "'loras/' is a folder; LoRAs are read from safetensors only; name a file in it"),
        ("gone.safetensors", "'loras/gone.safetensors' does not exist"),
        (
            "link.safetensors",
            "'loras/link.safetensors' is a broken link: nowhere.safetensors does not exist",
        ),
        ("folder.safetensors", "'loras/folder.safetensors' is a folder"),
    ],
)
def test_a_lora_is_a_safetensors_file(read: Read, folder: Path, name: str, words: str) -> None:
    if name and not name.endswith(".safetensors"):
        (folder / "loras" / name).touch()
    (folder / "loras" / "link.safetensors").symlink_to("nowhere.safetensors")
    (folder / "loras" / "folder.safetensors").mkdir()
    refused(read, f"shots: [{{action: go, render: {{loras: loras/{name}}}}}]", words)
