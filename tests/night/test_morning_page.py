"""The morning page: what it says of a night, and that nothing in a storyboard can harm it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from wan_render.night.device_chart import device_chart
from wan_render.night.morning_page import morning_page, write_morning_page
from wan_render.night.night_record import (
    AttemptEntry,
    BusySpan,
    DeviceEntry,
    FilmEntry,
    FilmState,
    NightRecord,
    NightState,
    ShotEntry,
)

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 27, 22, 0, tzinfo=BERLIN)
KEY = "ab12cd34" * 8


def span(begin: int, end: int | None, *, failed: bool = False) -> BusySpan:
    """A take that was rendered from one minute of the night to another."""
    ended = None if end is None else START + timedelta(minutes=end)
    return BusySpan(START + timedelta(minutes=begin), ended, "rain", "1/020", 1, failed)


def a_night(*films: FilmEntry) -> NightRecord:
    """A night that has ended, on two devices."""
    return NightRecord(
        START,
        START + timedelta(hours=9),
        "Europe/Berlin",
        NightState.ENDED,
        updated=START + timedelta(minutes=100),
        ended=START + timedelta(minutes=100),
        films=films,
        devices=(
            DeviceEntry("cuda:0", "NVIDIA H200", (span(0, 50), span(50, 90, failed=True))),
            DeviceEntry("cuda:1", "NVIDIA H200", (span(0, 25),)),
        ),
        gpu_hours=1.9,
        money="4.75 EUR",
        command="wan-render night films --until 07:00",
    )


def partial(folder: Path) -> FilmEntry:
    """A film with a slate, a flagged take and a whole one."""
    log = folder.parent / "a.log"
    log.write_text("CUDA error", encoding="utf-8")
    failed = AttemptEntry(1, ("cuda:0",), START, "../a.log", START, "cuda:0: ran out of memory")
    return FilmEntry(
        "/films/rain & fog.yaml",
        slug="rain",
        title="<script>alert(1)</script>",
        state=FilmState.PARTIAL,
        takes=3,
        rendered=2,
        hours_left=1.5,
        shots=(
            ShotEntry("1/010", take=1, key=KEY, verdict="pass"),
            ShotEntry("1/020", slate="no device could render it", attempts=(failed,)),
            ShotEntry("1/030", take=2, key=KEY, verdict="fail", checks="cut 9.1 (limit 4) at frame 40"),
        ),
        command="wan-render render '/films/rain & fog.yaml'",
    )


def test_it_says_what_failed_and_what_to_type(tmp_path: Path) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    broken = FilmEntry(
        "/films/dunes/storyboard.yaml", state=FilmState.BROKEN, message="/films/b.yaml:3:1: dur: unknown key"
    )
    write_morning_page(folder, a_night(partial(folder), broken))
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "2 films: 1 partial, 1 broken" in html
    assert "1 take of rain, about 90 min of devices" in html
    assert "4.75 EUR" in html
    assert "22:00–07:00 Europe/Berlin" in html
    assert "no device could render it" in html
    assert 'cuda:0: ran out of memory (<a href="../a.log">log</a>)' in html
    assert "wan-render render &#39;/films/rain &amp; fog.yaml&#39; --only 1/020" in html
    assert "circle: 2@ab12cd34" in html
    assert "--retake 1/030" in html
    assert "cut 9.1 (limit 4) at frame 40" in html
    assert ">1/010" not in html, "a shot that passed needs no look"
    assert ">dunes/storyboard.yaml" in html
    assert "/films/b.yaml:3:1: dur: unknown key" in html
    assert 'http-equiv="refresh"' not in html


def test_an_order_of_unknown_fate_is_settled_before_it_is_tried_again(tmp_path: Path) -> None:
    shot = ShotEntry("1/020", slate="1/020 take 1: paid, unknown: no answer", order=3)
    film = replace(partial(tmp_path), shots=(shot,), cloud_command="wan-render cloud rain.yaml")
    html = morning_page(tmp_path, a_night(film))
    assert "wan-render cloud rain.yaml 3 --task ID" in html
    assert "--only 1/020" not in html, "another run would end in the same slate"


def test_a_partial_film_says_what_it_lacks_besides_shots(tmp_path: Path) -> None:
    film = replace(partial(tmp_path), shots=(), lacks=("not made: deliverable gif: ffmpeg: exited with code 1",))
    assert "<p>not made: deliverable gif: ffmpeg: exited with code 1</p>" in morning_page(tmp_path, a_night(film))


def test_flagged_ends_and_joints_are_shown_side_by_side(tmp_path: Path) -> None:
    pictures = tmp_path / "films/rain/v001/review"
    pictures.mkdir(parents=True)
    for name in ("03-take-2-last-keyframe", "03-take-2-last", "03-take-1-last", "03-seam-before", "03-seam-after"):
        (pictures / f"{name}.jpg").touch()
    folder = tmp_path / "night"
    folder.mkdir()
    html = morning_page(folder, a_night(replace(partial(folder), folder="../films/rain/v001")))
    shown = [f'src="../films/rain/v001/review/{name}.jpg"' for name in ("03-take-2-last-keyframe", "03-take-2-last")]
    assert all(each in html for each in shown)
    assert "03-take-1-last" not in html, "another take is in the film"
    assert "last frame of 1/030" in html
    assert html.index("03-seam-before") < html.index("03-seam-after")


def test_a_night_that_runs_loads_its_page_again(tmp_path: Path) -> None:
    night = replace(a_night(), state=NightState.RENDERING, ended=None, films=())
    html = morning_page(tmp_path, night)
    assert 'http-equiv="refresh"' in html
    assert "as of 23:40:00" in html


def test_a_stopped_night_says_how_to_go_on(tmp_path: Path) -> None:
    html = morning_page(tmp_path, replace(a_night(), state=NightState.STOPPED))
    assert "was stopped before its end" in html
    assert html.count("wan-render night films --until 07:00") == 2


def test_a_file_that_is_gone_has_no_link(tmp_path: Path) -> None:
    film = FilmEntry("/films/a.yaml", "a", "A", state=FilmState.DONE, page="../../films/a/v001/index.html")
    html = morning_page(tmp_path, a_night(film))
    assert "../../films" not in html


def test_the_chart_has_bars_in_the_nights_zone() -> None:
    chart = device_chart(a_night())
    assert chart is not None
    first, second = chart.rows
    assert [(bar.left, bar.width, bar.failed) for bar in first.bars] == [(0, 50, False), (50, 40, True)]
    assert first.bars[1].text == "rain 1/020 take 1: 22:50:00–23:30:00, failed"
    assert (first.busy, second.busy, chart.busy) == (0.9, 0.25, 0.575)
    times = ["22:10", "22:20", "22:30", "22:40", "22:50", "23:00", "23:10", "23:20", "23:30"]
    assert [mark.text for mark in chart.marks] == times


def test_a_take_that_still_renders_reaches_the_charts_end() -> None:
    devices = (DeviceEntry("cpu", "a processor", (span(0, None),)),)
    night = replace(a_night(), devices=devices, ended=None, updated=(START + timedelta(minutes=10)).astimezone(UTC))
    chart = device_chart(night)
    assert chart is not None
    assert chart.rows[0].bars[0].width == 100
    assert device_chart(replace(night, devices=())) is None
