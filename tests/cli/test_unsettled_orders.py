"""An order whose answer was lost, in a night: the morning page says what to settle, and nothing is bought again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, write_harbour
from tests.fake_model_studio import FakeService, serving, variables


def test_the_morning_page_says_how_an_order_of_unknown_fate_is_settled(
    tmp_path: Path, wan_render: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = write_harbour(tmp_path)
    head = film.read_text().partition("shots:")[0].replace("title: Harbour,", "title: Harbour, budget: 5 CNY,")
    hosted = 'cloud: {allow: true}, render: {flf2v: {model: "dashscope:wan2.7-i2v"}}'
    head = head.replace("duration: 1s, render: {seed: 5}", hosted)
    film.write_text(head + "shots:\n  - {from: dawn, to: noon, action: light, duration: 2s}\n")

    with serving(FakeService(lambda request, _: "answer lost" if request == "submit" else "")) as service:
        for name, value in variables(service, WAN_RENDER_DEVICES="cpu").items():
            monkeypatch.setenv(name, value)
        nights = [wan_render("night", film, "--outputs", tmp_path / "outputs") for _ in range(2)]

    assert [night.returncode for night in nights] == [1, 1], nights[0].stderr
    assert len(service.tasks) == 1, "the second night orders nothing"
    records = sorted((tmp_path / "outputs" / "nights").glob("*/night.json"))
    orders = [shot["order"] for file in records for shot in json.loads(file.read_text())["films"][0]["shots"]]
    assert orders == [1] * len(records)
    for record in records:
        page = (record.parent / "index.html").read_text()
        assert f"wan-render cloud {film} --outputs {tmp_path / 'outputs'} 1 --task ID" in page
        assert "--only 1/010" not in page
