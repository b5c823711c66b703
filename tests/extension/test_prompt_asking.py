"""Asking for many prompts: bad answers are asked again with the reason, a dead service is left alone, and what people
write meanwhile stays."""

from __future__ import annotations

import json
import multiprocessing
import re
from pathlib import Path
from typing import Any

import pytest

from tests.extension.chat_service import HANG
from tests.extension.conftest import GOOD, Film, Serve
from wan_render.errors import DiskError
from wan_render.extension.prompt_file import PromptEntry, PromptFile, read_prompts
from wan_render.production.prompt_asking import MOST_ANSWERS, ask, prompts_to_ask
from wan_render.session.chosen_model import language_model
from wan_render.session.film_session import Session

SIGN = '[{from: dawn, to: noon, action: the ferry passes Anna and a sign that reads "STOP"}]'
FOUR = "[{from: dawn, to: noon, action: a}, {from: noon, to: dusk, action: b}, {action: c c}, {action: d d}]"
KEPT = f"{GOOD}35毫米胶片。"


def answers(session: Session) -> tuple[list[str], dict[str, str]]:
    """The names that were answered, and why others were not."""
    with language_model(session.settings, session.store, lambda _: None) as model:
        asked = ask(session.plan, prompts_to_ask(session.plan), model, lambda _: None)
    return asked.answered, {name: error.problems[0].found for name, error in asked.failed.items()}


def test_an_answer_that_drops_something_is_asked_again_with_the_reason(film: Film, serve: Serve) -> None:
    service = serve(KEPT, f"{KEPT}牌子写着“STOP”。", f"{KEPT}牌子写着“STOP”，Anna走过。")
    assert answers(film(SIGN)) == (["1/010"], {})
    first, second, third = service.texts
    assert "不能用" not in first
    assert 'it drops the quoted text "STOP"' in second
    assert "Anna" in third


def test_a_model_that_never_keeps_to_the_rules_is_refused(film: Film, serve: Serve, harbour: Path) -> None:
    service = serve(KEPT)
    answered, failed = answers(film(SIGN))
    assert answered == []
    assert 'no usable prompt in 3 answers: it drops the quoted text "STOP"' in failed["1/010"]
    assert len(service.asked) == MOST_ANSWERS
    assert not (harbour / "film.prompts.json").exists()


def test_a_service_that_hangs_is_left_alone_after_two_shots(
    film: Film, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(HANG)
    monkeypatch.setenv("WAN_RENDER_PATIENCE", "0.001")
    answered, failed = answers(film(FOUR))
    assert answered == []
    assert [bool(re.search("^not asked: .* did not answer within 0[.]12 s", why)) for why in failed.values()] == [
        *(False, False, True, True)
    ]
    assert len(service.asked) <= 2


def test_a_service_that_refuses_the_key_is_asked_once(film: Film, serve: Serve) -> None:
    service = serve(401)
    assert len(answers(film(FOUR))[1]) == 4
    assert len(service.asked) == 1


def test_equal_shots_are_asked_once(film: Film, serve: Serve) -> None:
    service = serve(KEPT)
    same = "{from: dawn, to: noon, action: same}"
    assert len(answers(film(f"[{same}, {same}, {same}, {same}]"))[0]) == 4
    assert len(service.asked) == 3  # the first and the last have other neighbours than those within


def test_what_a_person_writes_while_the_model_thinks_stays(film: Film, serve: Serve, harbour: Path) -> None:
    file = harbour / "film.prompts.json"

    def slow(_: dict[str, Any]) -> str:
        file.write_text(json.dumps({"version": 1, "x-mine": 1, "prompts": {"1/010": {"prompt": "by hand"}}}))
        return KEPT

    serve(slow)
    answers(film("[{from: dawn, to: noon, action: a}]"))
    document = json.loads(file.read_text("utf-8"))
    assert document["prompts"]["1/010"]["prompt"] == "by hand"
    assert [entry["prompt"] for entry in document["former"]] == [KEPT]
    assert document["x-mine"] == 1


def _add(storyboard: Path, name: str) -> None:
    PromptFile(storyboard).add(PromptEntry(name, name, name, name, {}, "m"), None)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    storyboard = tmp_path / "film.yaml"
    names = [f"1/{at:03}" for at in range(8)]
    spawned = [multiprocessing.get_context("fork").Process(target=_add, args=(storyboard, name)) for name in names]
    for process in spawned:
        process.start()
    for process in spawned:
        process.join()
    assert sorted(read_prompts(storyboard).entries) == names
    assert [file.name for file in tmp_path.iterdir()] == ["film.prompts.json"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "has no map of prompts"),
        ('{"prompts": []}', "has no map of prompts"),
        ('{"version": 2}', "has version '2'"),
        ('{"prompts": {"1/010": "text"}}', "'1/010' has no prompt"),
        ('{"prompts": {"1/010": {"prompt": " "}}}', "the prompt of '1/010' is empty"),
        ('{"prompts": {"a": {"prompt": "b"}, "a": {"prompt": "c"}}}', "the key 'a' is there twice"),
        ('{"former": 1}', "`former` is no list"),
        ("[" * 100_000, "nested too deep"),
        ("\ufffd", "is no JSON"),
    ],
)
def test_a_file_that_is_wrong_is_a_mistake_with_a_remedy(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "film.prompts.json").write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match=re.escape(why)):
        read_prompts(tmp_path / "film.yaml")


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be written"):
        _add(tmp_path / "nowhere" / "film.yaml", "1/010")
