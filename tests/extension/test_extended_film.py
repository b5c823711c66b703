"""A film whose prompts a language model extends: asked once, kept beside the storyboard, used in its takes."""

from __future__ import annotations

import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.extension.conftest import GOOD, KEY, Film, Serve
from tests.night.films import Noted, held, hours, request, states
from wan_render.cli import main
from wan_render.errors import UsageError
from wan_render.night.night_record import FilmState
from wan_render.night.night_request import check_films
from wan_render.plan import FilmPlan, NotYet, Rendered

SHOTS = (
    "[{from: dawn, to: noon, action: the light climbs, move: crane down},"
    " {from: noon, to: dusk, action: boats come home}]"
)
KEPT = GOOD + "画面为35毫米胶片质感。"


def prompts(plan: FilmPlan) -> list[str]:
    takes = [shot.content.takes[0].take for shot in plan.shots if isinstance(shot.content, Rendered)]
    return [take.prompt for take in takes]


def written(folder: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((folder / "film.prompts.json").read_text("utf-8"))["prompts"]
    return found


def edit(folder: Path, name: str, prompt: str) -> None:
    file = folder / "film.prompts.json"
    document = json.loads(file.read_text("utf-8"))
    document["prompts"][name]["prompt"] = prompt
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def test_a_film_is_made_of_extended_prompts_and_nobody_is_asked_twice(
    film: Film, serve: Serve, harbour: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = serve(KEPT)
    session = film(SHOTS)
    command = [str(session.file), "--outputs", str(harbour / "outputs"), "--backend", "animatic"]
    before = session.plan
    assert [prompt.startswith("(to be extended)") for prompt in prompts(before)] == [True, True]
    assert service.asked == []

    assert main(["render", *command]) == 0
    assert len(service.asked) == 2
    assert main(["render", *command]) == 0
    assert main(["plan", *command]) == 0

    assert len(service.asked) == 2
    shown = capsys.readouterr().out
    assert f"  - 35 mm film, the light climbs, camera cranes down\n  + {KEPT}\n" in shown
    assert prompts(film(SHOTS).plan) == [KEPT, KEPT]
    assert {entry["model"] for entry in written(harbour).values()} == {"qwen-vl-test"}
    records = [json.loads(file.read_text("utf-8")) for file in (harbour / "outputs").glob("takes/*/take.json")]
    assert all(
        "the prompt was extended by qwen-vl-test" in json.dumps(record, ensure_ascii=False) for record in records
    )


def test_the_model_sees_both_keyframes_the_look_the_camera_and_the_neighbours(film: Film, serve: Serve) -> None:
    service = serve(KEPT)
    film(SHOTS).with_prompts(lambda _: None)

    system, user = service.asked[0]["messages"]
    text, first, last = user["content"]
    assert "首帧" in system["content"]
    assert text["text"].splitlines() == [
        "动作: the light climbs", "风格: 35 mm film", "镜头: camera cranes down", "后一个镜头的动作: boats come home",
    ]  # fmt: skip
    for part, rows in ((first, 12), (last, 24)):
        kind, _, data = part["image_url"]["url"].partition(",")
        picture = Image.open(BytesIO(b64decode(data))).convert("RGB")
        assert kind == "data:image/jpeg;base64"
        bright = [sum(picture.getpixel((32, y))) > 130 for y in range(48)]  # type: ignore[arg-type]  # RGB
        assert abs(sum(bright) - rows) <= 1


def test_shots_without_keyframes_are_extended_in_their_own_language(film: Film, serve: Serve) -> None:
    service = serve("A slow shot on 35 mm film: the fog lifts and the boats drift into the light of the morning.")
    ready = film("[{action: fog lifts}]").with_prompts(lambda _: None)
    assert prompts(ready.plan)[0].startswith("A slow shot")
    assert "in English" in service.asked[0]["messages"][0]["content"]
    assert len(service.asked[0]["messages"][1]["content"]) == 1


def test_without_an_action_the_model_describes_what_should_move(film: Film, serve: Serve) -> None:
    service = serve(KEPT)
    film("[{from: dawn, to: noon}]").with_prompts(lambda _: None)
    assert "作者没有写动作" in service.asked[0]["messages"][0]["content"]


def test_segments_have_prompts_of_their_own(film: Film, serve: Serve) -> None:
    service = serve(KEPT)
    shots = "[{from: dawn, through: [{keyframe: noon, action: sun rises}], to: dusk, action: sun sets, duration: 9f}]"
    ready = film(shots).with_prompts(lambda _: None)
    (shot,) = ready.plan.shots
    assert isinstance(shot.content, Rendered)
    assert [segment.prompt for segment in shot.content.takes[0].take.segments] == [KEPT, KEPT]
    assert [prompt.name for prompt in ready.plan.prompts] == ["1/010 through 1", "1/010"]
    assert [text.splitlines()[0] for text in service.texts] == ["动作: sun rises", "动作: sun sets"]


def test_without_an_answer_a_shot_is_a_slate_unless_the_film_says_otherwise(
    film: Film, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(500)
    monkeypatch.setattr("wan_render.extension.chat_endpoint.PAUSES", ())
    said: list[str] = []
    refused = film(SHOTS).with_prompts(said.append).plan
    assert [shot.content for shot in refused.shots] == [
        NotYet("1/010 has no extended prompt"),
        NotYet("1/020 has no extended prompt"),
    ]
    assert [sentence.partition(":")[0] for sentence in said].count("warning") == 2
    stays = film(SHOTS, "{extend: {enabled: true, unanswered: written}}").with_prompts(said.append).plan
    assert prompts(stays) == ["35 mm film, the light climbs, camera cranes down", "35 mm film, boats come home"]
    assert any("no extended prompt, so the written one is used: 1/010, 1/020" in str(w) for w in stays.warnings)


def test_a_machine_without_a_language_model_says_so_before_anything_is_rendered(film: Film) -> None:
    with pytest.raises(UsageError, match="this machine has no language model"):
        film(SHOTS).with_prompts(lambda _: None)
    stays = film(SHOTS, "{extend: {enabled: true, unanswered: written}}").with_prompts(lambda _: None)
    assert prompts(stays.plan)[1] == "35 mm film, boats come home"


def test_what_asks_nobody_says_what_is_missing(film: Film, harbour: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = film(SHOTS)
    command = [str(session.file), "--outputs", str(harbour / "outputs"), "--backend", "animatic"]
    assert main(["plan", *command]) == 0
    said = capsys.readouterr().out
    assert "0 extended prompts, 2 to be extended: `wan-render extend` asks for what is missing" in said
    assert "prompt of 1/020: to be extended; a slate if nobody answers" in said
    assert "warning: this machine has no language model, and prompts are to be extended" in said
    assert main(["export", *command, "--to", "slurm", "--out", str(harbour / "job")]) == 2
    assert "2 prompts still to be extended: 1/010, 1/020" in capsys.readouterr().err
    assert not (harbour / "job").exists()


def test_shots_inherit_it_key_by_key(film: Film, serve: Serve) -> None:
    service = serve("A slow shot on 35 mm film: the light climbs over the quay and the boats come home to the pier.")
    shots = SHOTS.replace("move: crane down", "render: {extend: {language: en}}").replace(
        "action: boats come home", "action: boats come home, render: {extend: false}"
    )
    ready = film(shots).with_prompts(lambda _: None)
    assert prompts(ready.plan)[1] == "35 mm film, boats come home"
    assert len(service.asked) == 1


def test_an_edited_prompt_survives_everything(
    film: Film, serve: Serve, harbour: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = serve(KEPT)
    film(SHOTS).with_prompts(lambda _: None)
    edit(harbour, "1/010", "My own words, by hand")
    assert prompts(film(SHOTS).plan)[0] == "My own words, by hand"

    other = SHOTS.replace("the light climbs", "the light climbs fast")
    session = film(other)
    (warning,) = [each for each in session.plan.warnings if "1/010 is stale" in str(each)]
    assert "since then, this changed: action" in str(warning)
    command = [str(session.file), "--outputs", str(harbour / "outputs"), "--backend", "animatic"]
    assert prompts(session.with_prompts(lambda _: None).plan)[0] == "My own words, by hand"
    assert len(service.asked) == 2
    assert main(["extend", *command, "--stale"]) == 0
    assert prompts(film(other).plan)[0] == "My own words, by hand"
    assert len(service.asked) == 3  # 1/020, whose neighbour changed

    assert main(["extend", *command, "--keep", "1/010"]) == 0
    assert not any("stale" in str(each) for each in film(other).plan.warnings)
    assert main(["extend", *command, "--again", "1/010"]) == 0
    assert prompts(film(other).plan)[0] == KEPT
    former = json.loads((harbour / "film.prompts.json").read_text("utf-8"))["former"]
    assert "My own words, by hand" in [entry["prompt"] for entry in former]
    capsys.readouterr()


def test_a_shot_that_moves_or_changes_back_keeps_its_prompt(film: Film, serve: Serve, harbour: Path) -> None:
    service = serve(*(f"{KEPT}第{at}版" for at in range(9)))
    film(SHOTS).with_prompts(lambda _: None)
    mine = {name: entry["prompt"] for name, entry in written(harbour).items()}
    moved = SHOTS.replace("[", "[{card: A title}, ", 1)
    ready = film(moved).with_prompts(lambda _: None)  # names of shots are places: 1/010 is now 1/020
    assert prompts(ready.plan) == [mine["1/010"], mine["1/020"]]
    changed = SHOTS.replace("boats come home", "boats leave the harbour")
    film(changed).with_prompts(lambda _: None)
    assert prompts(film(SHOTS).with_prompts(lambda _: None).plan) == [mine["1/010"], mine["1/020"]]
    assert len(service.asked) == 2


def test_another_keyframe_makes_a_prompt_stale(film: Film, serve: Serve, harbour: Path) -> None:
    serve(KEPT)
    film(SHOTS).with_prompts(lambda _: None)
    Image.effect_noise((64, 48), 90).convert("RGB").save(harbour / "keyframes" / "dawn.png")
    (stale,) = [prompt for prompt in film(SHOTS).plan.prompts if prompt.found is not None and prompt.found.stale]
    assert stale.found is not None
    assert (stale.name, stale.found.stale) == ("1/010", "first keyframe")


def test_a_file_that_was_edited_wrongly_has_a_place(film: Film, harbour: Path) -> None:
    (harbour / "film.prompts.json").write_text('{\n "version": 1,\n "prompts": {,}}')
    with pytest.raises(Exception, match=r"film.prompts.json:3:14: is no JSON"):
        _ = film(SHOTS).plan


def test_the_key_is_in_no_file_and_no_message(
    film: Film, serve: Serve, harbour: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(401)
    session = film(SHOTS)
    command = [str(session.file), "--outputs", str(harbour / "outputs"), "--backend", "animatic"]
    assert main(["extend", *command]) == 1
    assert main(["doctor"]) in (0, 3)
    said = capsys.readouterr()
    assert "answered 401: no: Bearer ***" in said.err
    assert KEY not in said.out + said.err + repr(session)
    assert not [file for file in harbour.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


def test_a_night_asks_as_a_run_does(film: Film, serve: Serve, harbour: Path) -> None:
    asked = request(film(SHOTS).file, outputs=harbour / "outputs")
    refused = held(asked, hours())
    assert states(refused) == {"film": FilmState.BROKEN}
    assert "WAN_RENDER_LLM_URL: this machine has no language model" in refused.films[0].message
    (evening,) = check_films(asked)
    assert [each for each in evening.warnings if "has no language model" in each]

    service = serve(KEPT)
    show = Noted()
    assert states(held(asked, hours(), show)) == {"film": FilmState.DONE}

    assert len(service.asked) == 2
    assert [line for line in show.said if "1/010" in line and "prompt" in line], show.said
    assert prompts(film(SHOTS).plan) == [KEPT, KEPT]
