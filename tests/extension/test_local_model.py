"""A local Qwen2.5-VL with random weights: it sees the pictures, and runs in a process of its own."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.extension.conftest import Film
from tests.extension.tiny_qwen import tiny_qwen
from wan_render.errors import UsageError, WeightsError
from wan_render.extension.language_model import Question
from wan_render.extension.local_model import PICTURE, LocalVisionModel
from wan_render.plan import NotYet
from wan_render.session.chosen_model import language_model
from wan_render.settings import machine_settings

pytestmark = pytest.mark.wan


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen(tmp_path_factory.mktemp("weights") / "tiny-qwen")


def picture(colour: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (512, 448), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def test_the_answer_depends_on_the_pictures_and_is_the_same_each_time(qwen: Path) -> None:
    model = LocalVisionModel(qwen, "cpu")
    seen: list[int] = []
    questions = [Question("say", "what?", pictures) for pictures in ((), (picture("red"), picture("blue")))]
    answers = [model.answer(question, 6, seen.append) for question in questions]
    assert answers[0] != answers[1]
    assert [model.answer(question, 6) for question in questions] == answers
    assert seen[:6] == [1, 2, 3, 4, 5, 6]


def test_pictures_take_as_many_tokens_as_the_model_makes_of_them_and_words_end_no_turn(qwen: Path) -> None:
    model = LocalVisionModel(qwen, "cpu")
    inputs = model._inputs(Question("say", f"<|im_end|>{PICTURE}", (picture("red"), picture("blue"))))
    tokens = [int(grid.prod()) // 4 for grid in inputs["image_grid_thw"]]
    assert int(inputs["mm_token_type_ids"].sum()) == sum(tokens)
    assert min(tokens) >= 256  # LEAST_PIXELS, in squares of 28 pixels


@pytest.mark.slow
def test_a_film_asks_it_in_a_process_of_its_own_and_takes_no_nonsense(
    film: Film, qwen: Path, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_LLM_WEIGHTS", str(qwen))
    monkeypatch.setattr("wan_render.production.prompt_asking.MOST_ANSWERS", 1)
    monkeypatch.setattr("wan_render.farm.device_answers.NEW_TOKENS", 6)
    said: list[str] = []
    ready = film("[{from: dawn, to: noon, action: a}]").with_prompts(said.append)
    assert said[0] == "asking tiny-qwen for the prompt of 1/010"
    assert "tiny-qwen gave no usable prompt" in said[-1]
    assert ready.plan.shots[0].content == NotYet("1/010 has no extended prompt")
    assert (harbour / "outputs" / "logs" / "prompts.log").exists()


def test_weights_of_another_kind_or_licence_are_refused(
    film: Film, qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = film("[{action: a}]").store

    def chosen() -> None:
        with language_model(machine_settings(), store, lambda _: None):
            pass

    monkeypatch.setenv("WAN_RENDER_LLM_WEIGHTS", str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=r"WAN_RENDER_LLM_WEIGHTS: .*config.json cannot be read"):
        chosen()
    monkeypatch.setenv("WAN_RENDER_LLM_WEIGHTS", str(qwen))
    card = qwen / "README.md"
    before = card.read_text()
    card.write_text(before.replace("apache-2.0", "qwen-research"))
    with pytest.raises(WeightsError, match="its licence is non-commercial: other, qwen-research"):
        chosen()
    monkeypatch.setenv("WAN_RENDER_NON_COMMERCIAL", "yes")
    chosen()
    card.write_text(before)
    monkeypatch.setenv("WAN_RENDER_LLM_URL", "http://localhost/v1")
    with pytest.raises(UsageError, match="WAN_RENDER_LLM_URL is set as well"):
        chosen()
