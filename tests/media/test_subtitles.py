from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.media.films import CUT, Shelf, cut_of, film, luma
from wan_render.authored import SubtitleForm
from wan_render.cut import Cut, Event, SlateSource
from wan_render.media.lettering import lettering_marks
from wan_render.media.shaping import width
from wan_render.media.subtitle_blocks import subtitle_blocks, subtitle_parts
from wan_render.media.subtitle_files import srt, vtt
from wan_render.plan import CardText, Cue, FilmSubtitles
from wan_render.take import Size

LARGE, UPRIGHT = Size(640, 360), Size(270, 480)
LONG = (
    "This is a long subtitle that nobody could put on two lines of a film, since it has far too many words in it. "
    "So it is shown in parts, one after the other."
)


def cue(start: float, end: float, text: str, who: str = "") -> Cue:
    return Cue(Fraction(start), Fraction(end), text, who)


def subtitled(
    *cues: Cue, forms: tuple[SubtitleForm, ...] = ("burned",), delivery: Size = LARGE, seconds: int = 1, rate: int = 16
) -> Cut:
    black = [Event(f"1/{n}", CardText(""), 0, rate, joint=CUT) for n in range(seconds)]
    cut = cut_of(*black, delivery=delivery, rate=Fraction(rate))
    return replace(cut, subtitles=FilmSubtitles(cues, forms), language="zh-Hant")


# Lines


@pytest.mark.parametrize(
    ("text", "most", "parts"),
    [
        ("One line.", 10, [("One line.",)]),
        ("We should have left before the rain came", 14, [("We should have left", "before the rain came")]),
        ("- Who?\n- Anna.", 20, [("- Who?", "- Anna.")]),
        ("one\ntwo\nthree", 20, [("one two three",)]),
        ("江河与白鸽\n飞过湖面，\n不见了。", 9, [("江河与白鸽飞过", "湖面，不见了。")]),
        (
            "一只白鸽飞过湖面，落在老人手上。他等了二十年。",
            10,
            [("一只白鸽飞过湖面，", "落在老人手上。"), ("他等了二十年。",)],
        ),
        ("سلام Hello there", 5, [("سلام Hello", "\u200fthere")]),
    ],
)
def test_texts_are_broken_into_balanced_lines(text: str, most: float, parts: list[tuple[str, ...]]) -> None:
    assert subtitle_parts(text, most) == parts


def test_a_long_text_is_shown_in_parts_that_share_its_time() -> None:
    blocks = subtitle_blocks((cue(1, 8, LONG),), LARGE)
    assert len(blocks) > 1
    assert (float(blocks[0].start), float(blocks[-1].end)) == (1, 8)
    assert all(before.end == after.start for before, after in pairwise(blocks))
    assert " ".join(line for block in blocks for line in block.block.lines) == LONG


@example("aaא .", 2.0)
@given(st.text(st.sampled_from("ab .,。江っ水א \n"), max_size=120), st.floats(2, 25))
def test_parts_keep_every_letter_and_have_at_most_two_lines(text: str, most: float) -> None:
    parts = subtitle_parts(text, most) if text.strip() else []
    assert all(1 <= len(lines) <= 2 for lines in parts)
    shown = "".join(line for lines in parts for line in lines).replace("\u200f", "").replace("\u200e", "")
    assert "".join(shown.split()) == "".join(text.split())
    assert all(width(line) <= most for lines in parts for line in lines)


def test_blocks_that_are_shown_together_are_stacked() -> None:
    first, second, third = subtitle_blocks(
        (
            cue(0, 2, "One"),
            cue(1, 3, "Two"),
            cue(2, 4, "Three"),
        ),
        LARGE,
    )
    assert (first.lift, second.lift) == (0, first.height)
    assert third.lift == 2 * first.height


# Files

TOGETHER = subtitle_blocks(
    (
        cue(0.5, 2, "<b>One</b> --> {x} & y", "An<na"),
        cue(1, 3601.0006, "Two"),
    ),
    LARGE,
)


def test_an_srt_file_has_one_text_at_a_time_and_no_markup() -> None:
    one = "<\u2060b>One<\u2060/b> --\u2060> {\u2060x} & y"
    assert srt(TOGETHER) == (
        f"1\n00:00:00,500 --> 00:00:01,000\n{one}\n\n"
        f"2\n00:00:01,000 --> 00:00:02,000\nTwo\n{one}\n\n"
        "3\n00:00:02,000 --> 01:00:01,001\nTwo\n"
    )


def test_a_vtt_file_names_the_speaker() -> None:
    assert vtt(TOGETHER) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\n"
        "<v An&lt;na>&lt;b&gt;One&lt;/b&gt; --&gt; {x} &amp; y\n\n"
        "00:00:01.000 --> 01:00:01.001\nTwo\n"
    )


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_adds_a_cue_of_its_own(text: str) -> None:
    blocks = subtitle_blocks(
        (
            cue(0, 1, text),
            cue(1, 2, "last"),
        ),
        LARGE,
    )
    assert srt(blocks).count(" --> ") == vtt(blocks).count(" --> ") == len(blocks)
    assert "\n\n\n" not in srt(blocks) + vtt(blocks)


# Films


@pytest.mark.parametrize("rate", [16, 24])
def test_a_burned_in_subtitle_is_on_the_frames_of_its_time(tmp_path: Path, rate: int) -> None:
    cut = subtitled(cue(0.25, 0.5, "Hello"), cue(0.75, 0.76, "too short for a frame"), rate=rate)
    pictures = list(luma(film(cut, Shelf(tmp_path))))
    assert [bool((picture > 100).any()) for picture in pictures] == [rate // 4 <= n < rate // 2 for n in range(rate)]


@pytest.mark.parametrize(("delivery", "lowest"), [(LARGE, 0.93), (UPRIGHT, 0.82)])
def test_subtitles_are_within_the_safe_area(tmp_path: Path, delivery: Size, lowest: float) -> None:
    (picture, *_) = luma(film(subtitled(cue(0, 1, LONG), delivery=delivery), Shelf(tmp_path)))
    rows, columns = (picture > 100).nonzero()
    assert delivery.height * 0.6 < rows.min() < rows.max() < delivery.height * lowest
    assert delivery.width * 0.06 < columns.min() < columns.max() < delivery.width * 0.94
    assert (columns.min() + columns.max()) / 2 == pytest.approx(delivery.width / 2, abs=4)


@pytest.mark.parametrize("delivery", [LARGE, UPRIGHT])
@pytest.mark.parametrize("source", [CardText("word " * 80), SlateSource("1/010", "reason " * 80)])
def test_cards_and_slates_leave_room_for_subtitles(
    tmp_path: Path, delivery: Size, source: CardText | SlateSource
) -> None:
    """Frame 0 has the subtitle as well, frame 1 of the same shot only its own text."""
    cut = cut_of(Event("1/010", source, 0, 2), delivery=delivery)
    cut = replace(cut, subtitles=FilmSubtitles((cue(0, 1 / 16, LONG[:80]),), ("burned",)))
    both, alone = luma(film(cut, Shelf(tmp_path)))
    own = np.flatnonzero((alone > 60).any(axis=1)).max()
    subtitle = np.flatnonzero((np.abs(both.astype(int) - alone) > 60).any(axis=1)).min()
    assert own < subtitle


def test_a_track_has_the_texts_their_times_and_their_language(tmp_path: Path) -> None:
    cues = [cue(0.25, 0.5, "第一句"), cue(0.5, 1, "<i>Two"), cue(1.5, 1.75, "سلام")]
    file = film(subtitled(*cues, forms=("track",), seconds=2), Shelf(tmp_path))
    with av.open(str(file)) as container:
        (track,) = container.streams.subtitles
        assert (track.metadata["language"], track.codec_context.name) == ("zho", "mov_text")
        assert track.disposition & av.stream.Disposition.default
        packets = [packet for packet in container.demux(track) if packet.pts is not None and len(bytes(packet)) > 2]
        times = [(float(packet.pts * track.time_base), float(packet.duration * track.time_base)) for packet in packets]  # type: ignore[operator]
        texts = [bytes(packet)[2:].decode() for packet in packets]
    assert times == [(0.25, 0.25), (0.5, 0.5), (1.5, 0.25)]
    assert texts == ["第一句", "<\u2060i>Two", "سلام"]
    assert not any((picture > 100).any() for picture in luma(file))


def test_players_do_not_show_a_track_whose_text_is_burned_in(tmp_path: Path) -> None:
    file = film(subtitled(cue(0, 1, "Twice?"), forms=("burned", "track")), Shelf(tmp_path))
    with av.open(str(file)) as container:
        defaults = {
            stream.type: bool(stream.disposition & av.stream.Disposition.default) for stream in container.streams
        }
    assert (defaults["video"], defaults["audio"], defaults["subtitle"]) == (True, True, False)
    assert np.stack(list(luma(file))).max() > 100


def test_fonts_of_subtitles_count_only_if_they_are_burned_in() -> None:
    assert lettering_marks(subtitled(cue(0, 1, "سلام"), forms=("track", "files"))) == ()
    assert len(lettering_marks(subtitled(cue(0, 1, "سلام")))) == 1
