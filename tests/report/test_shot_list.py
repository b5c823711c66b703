from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.report.films import FRAMES, SLATE, Store, a_review, a_shot, five_shots, flat
from wan_render.report.review import Review
from wan_render.report.shot_list import inert, write_shot_list

ROOT = Path(__file__).parents[2]


@pytest.fixture
def review(tmp_path: Path) -> Review:
    return a_review(tmp_path, five_shots(Store(tmp_path / "store")))


def read(review: Review, folder: Path) -> pd.DataFrame:
    write_shot_list(review, folder / "shots.csv")
    return pd.read_csv(folder / "shots.csv", dtype=str, keep_default_na=False)


def test_it_has_a_row_for_every_take_in_the_films_order(review: Review, tmp_path: Path) -> None:
    table = read(review, tmp_path)

    assert list(table["name"]) == [
        "river-to-dove_sc1_sh010_t01",
        "river-to-dove_sc1_sh010_t02",
        "river-to-dove_sc1_sh010_t03",
        "river-to-dove_sc1_sh020_t01",
        "river-to-dove_sc1_sh030_t01",
        "river-to-dove_sc2_sh010",
        "river-to-dove_sc2_sh020",
    ]
    assert list(table["in_film"]) == ["False", "True", "False", "True", "False", "", ""]
    assert list(table["slate"]) == ["", "", "", "", SLATE, "", ""]


def test_a_row_describes_its_take(review: Review, tmp_path: Path) -> None:
    row = read(review, tmp_path).iloc[2].to_dict()

    take = review.shots[0].takes[2]
    expected = {
        "film": "江河与白鸽",
        "scene": "1",
        "shot": "010",
        "take": "3",
        "state": "rendered",
        "start_frame": "8",
        "frames": "16",
        "timecode_in": "00:00:00:08",
        "timecode_out": "00:00:01:08",
        "screen_seconds": "1.0",
        "from": "river",
        "to": "ruins",
        "prompt": "河流，电影感",
        "seed": "9007199254740995",
        "take_frames": str(FRAMES),
        "circle": f"3@{take.key[:8]}",
        "key": take.key,
        "seconds": "92.75",
        "seconds.step": "90.5",
        "settings.steps": "40",
    }
    assert {column: row[column] for column in expected} == expected


def test_spreadsheets_see_its_encoding(review: Review, tmp_path: Path) -> None:
    read(review, tmp_path)

    data = (tmp_path / "shots.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfname,")
    assert data.count(b"\r\n") == 8


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "＝1+1", " =1", "\t=1", "\r=1", "-inf", '=HYPERLINK("x")'],
)
def test_nothing_written_in_a_storyboard_runs_as_a_formula(text: str, tmp_path: Path) -> None:
    take = Store(tmp_path / "store").take(flat((1, 2, 3)))
    shot = a_shot("1/010", (replace(take, prompt=text, settings={"note": text}),), action=text)
    review = a_review(tmp_path, (shot,), title=text)

    row = read(review, tmp_path).iloc[0]

    for column in ("film", "action", "prompt", "settings.note"):
        assert row[column].startswith("'")


@pytest.mark.parametrize("text", ["-18", "+0.5", "50", "river", "1-2", "a=b", "你好", ""])
def test_plain_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert inert(text) == text


def test_a_row_has_the_verdict_of_its_take_and_the_joint_of_its_shot(review: Review, tmp_path: Path) -> None:
    table = read(review, tmp_path)
    assert list(table["verdict"]) == ["fail", "pass", "", "", "", "", ""]
    assert (table["failed"][0], table["checks.black"][0], table["checks.ghost"][0]) == ("black", "7.0", "")
    assert list(table["seam"]) == ["8.25", "8.25", "8.25", "", "", "", ""]


def test_every_column_is_documented(review: Review, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "shots-csv.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))))

    columns = {re.sub(r"\..*", ".…", column) for column in read(review, tmp_path).columns}

    assert columns == documented
