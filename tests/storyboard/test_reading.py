"""What a storyboard comes to: canonical form, names and numbers given, places kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.storyboard.conftest import NamedModels, Read
from tests.storyboard.test_corpus import CORPUS
from tests.work import calls, ends
from wan_render.authored import Circle, Keyframe, LoraFile, Sound, Subtitle, Time, TitleCard, Waypoint
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.storyboard import read_storyboard

SHOT = "shots:\n  - {action: boats}\n"


def good(name: str) -> str:
    return (CORPUS / "good" / f"{name}.yaml").read_text(encoding="utf-8")


def test_the_smallest_film_is_one_scene_of_numbered_shots(read: Read) -> None:
    board = read(good("smallest")).storyboard
    assert [(scene.id, [shot.id for shot in scene.shots]) for scene in board.scenes] == [("1", ["010", "020"])]
    assert (board.film.title, board.film.slug) == ("Harbour", "harbour")
    assert board.keyframes["dawn"] == Keyframe(image="keyframes/dawn.png")
    assert set(board.keyframes) == {"dawn", "noon", "dusk", "dove", "lake", "river", "ruins", "waterfall"}


def test_ids_and_texts_are_what_the_file_says(read: Read) -> None:
    board = read(good("traps")).storyboard
    shots = board.scenes[0].shots
    assert [shot.id for shot in shots] == ["010", "011", "012", "0o13"]
    assert (board.film.title, board.film.slug) == ("2001-12-14", "no")
    assert (shots[0].action, shots[0].size, shots[0].takes) == ("no", "on", 3)
    assert (shots[1].notes, shots[1].action) == ("1_000", "12e03")
    assert (shots[2].action, shots[3].action, shots[3].move) == ("yes", "true", "3.10")
    assert [shot.duration for shot in shots[1:]] == [
        Time(seconds=Fraction(5)), Time(frames=81), Time(seconds=Fraction(5), is_timecode=True),
    ]  # fmt: skip
    assert shots[2].render is not None
    assert shots[2].render.seed == 7


def test_shorthand_is_spelt_out(read: Read) -> None:
    board = read(good("shorthand")).storyboard
    first, second, third = board.scenes[0].shots
    assert first.through == (Waypoint(keyframe="noon"),)
    assert second.through[1] == Waypoint(keyframe="painted", at=Time(seconds=Fraction(2)), action="it rains")
    assert (first.ng, second.ng, second.circle) == ((1,), (1, 2), Circle(take=3, pin="7f3a91bc"))
    assert first.sound == (Sound(file="audio/water.wav"),)
    assert second.sound[1].at == Time(seconds=Fraction(-1))
    assert second.sound[1].gain == 3.0
    assert first.subtitle == (Subtitle(text="Morning."),)
    assert first.render is not None
    assert first.render.loras == (LoraFile(path="loras/anime.safetensors"),)
    assert first.render.flf2v is not None
    assert first.render.flf2v.guidance == (5.0,)
    assert third.look is not None
    assert third.look.avoid == ()
    assert (third.sound, third.duration, third.to, third.notes) == ((), None, None, "Two lines\nof notes.\n")
    assert board.titles.open == (TitleCard(text="Harbour"),)
    assert board.titles.close[1] == TitleCard(text="Thanks", for_=Time(frames=48))
    assert board.audio.music == (Sound(file="audio/theme.flac"),)


def test_empty_means_not_set_and_quoted_empty_clears(read: Read) -> None:
    board = read(f'film: {{title: , fade_in: ~}}\nlook: {{style: "", setting: }}\n{SHOT}').storyboard
    assert board.film.fade_in is None
    assert board.look is not None
    assert (board.look.style, board.look.setting) == ("", None)


def test_merges_and_aliases(read: Read) -> None:
    first, second = read(good("anchors")).storyboard.scenes
    assert first.render == second.render
    assert first.render is not None
    assert first.render.seed == 5
    assert first.render.flf2v is not None
    assert first.render.flf2v.steps == 20
    assert second.look is not None
    assert (second.look.style, second.look.setting, second.look.avoid) == ("night", "sea", ())
    assert first.shots == second.shots


def test_absent_ids_are_numbered_by_place_and_never_taken_twice(read: Read) -> None:
    shots = "shots: [{action: a}, {shot: 010, action: b}, {action: c}, {shot: end, action: d}, {action: e}]\n"
    assert [shot.id for shot in read(shots).storyboard.scenes[0].shots] == ["020", "010", "030", "end", "050"]
    scenes = f"scenes: [{{{SHOT.replace(chr(10), '').replace('  - ', ' [')}]}}, {{scene: 1, shots: [{{action: x}}]}}]\n"
    assert [scene.id for scene in read(scenes).storyboard.scenes] == ["2", "1"]


@pytest.mark.parametrize(("name", "slug"), [("Night 2.yaml", "night-2"), ("夜.yaml", "夜"), ("!.yaml", "film")])
def test_title_and_slug_fall_back_to_the_file_s_name(tmp_path: Path, cache: FactCache, name: str, slug: str) -> None:
    (tmp_path / name).write_text(SHOT)
    film = read_storyboard(tmp_path / name, models=NamedModels(), cache=cache).storyboard.film
    assert (film.title, film.slug) == (Path(name).stem, slug)


def test_a_title_without_letters_has_the_file_s_slug(read: Read) -> None:
    assert read(f'film: {{title: "…"}}\n{SHOT}').storyboard.film.slug == "film"


def test_every_place_is_known(read: Read) -> None:
    document = read(
        "version: 1\nscenes:\n  - scene: 1\n    shots:\n      - from: \n        action: a\n      - action: b\n"
    )
    assert document.where("scenes", 0, "shots", 1, "action").endswith("film.yaml:7:9: scenes[0].shots[1].action")
    assert document.where("scenes", 0, "shots", 1, "duration").endswith(":7:9: scenes[0].shots[1].duration")
    assert document.where().endswith("film.yaml:1:1")
    assert document.marks[("scenes", 0, "shots", 0, "from")] == (5, 9)


def test_shots_at_the_top_are_told_as_the_file_has_them(read: Read) -> None:
    document = read("version: 1\n" + SHOT)
    assert document.where("scenes", 0, "shots", 0, "action").endswith("film.yaml:3:6: shots[0].action")
    assert document.storyboard.scenes[0].id == "1"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_an_editor_does(read: Read, end: str) -> None:
    text = f"\ufeff# 夜{end}shots:{end}- {{action: 夜, 动: x}}{end}"
    with pytest.raises(StoryboardError, match=r"film\.yaml:3:15: shots\[0\]\.动: unknown key"):
        read(text)


def test_names_are_equal_in_any_unicode_form(read: Read, folder: Path) -> None:
    (folder / "keyframes" / "dawn.png").rename(folder / "keyframes" / "cafe\u0301.png")
    board = read("keyframes: keyframes/\nshots: [{from: caf\u00e9}]\n").storyboard
    assert board.scenes[0].shots[0].from_ in board.keyframes


def test_models_and_folders_of_weights_are_known_by_name(read: Read, folder: Path) -> None:
    (folder / "weights").mkdir()
    board = read("shots: [{action: a, render: {t2v: {model: weights}, i2v: {model: wan2.2-i2v-a14b}}}]\n").storyboard
    assert board.scenes[0].shots[0].render is not None


def test_reading_brings_no_heavy_libraries() -> None:
    heavy = "torch", "diffusers", "prefect", "pandas", "numpy", "PIL", "cv2", "av", "rich", "jinja2", "jsonschema"
    code = f"import sys, wan_render.storyboard; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_each_of_a_thousand_shots_is_the_same_work(read: Read) -> None:
    shot = "  - {{shot: s{0}, from: dawn, to: noon, action: boat {0} comes home, takes: 2, render: {{seed: {0}}}}}\n"

    def reading(shots: int) -> Callable[[], None]:
        text = "keyframes: keyframes/\nshots:\n" + "".join(shot.format(number) for number in range(shots))
        return lambda: read_all(text, shots)

    def read_all(text: str, shots: int) -> None:
        assert len(read(text).storyboard.scenes[0].shots) == shots

    read_all(f"keyframes: keyframes/\nshots:\n{shot.format(0)}", 1)  # the pictures are known from here on
    with ends():
        assert calls(reading(1000)) < 4.4 * calls(reading(250))
