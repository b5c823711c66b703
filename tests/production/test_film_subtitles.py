"""The subtitles of a finished film: their files, the page, and when the film is made again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from tests.media.films import luma
from tests.production.solid import CPU, Solid, film
from tests.reference import produce
from wan_render.plan import CardText, Cue, FilmPlan, FilmSubtitles, PlannedTitle
from wan_render.plan.film_plan import Lettering
from wan_render.production.film_change import with_film_change
from wan_render.production.film_warnings import lettering_warnings
from wan_render.production.run import Run
from wan_render.status import status
from wan_render.store import FilmVersion, Store, read_film

CUES = (Cue(Fraction(0), Fraction(1, 4), "Hello", "Anna"), Cue(Fraction(1, 2), Fraction(3, 4), "سلام"))


def subtitled(folder: Path, *forms: str, cues: tuple[Cue, ...] = CUES) -> FilmPlan:
    plan = film(folder, {"1/010": CardText(""), "1/020": CardText("")})
    return replace(plan, subtitles=FilmSubtitles(cues, forms))  # type: ignore[arg-type]  # names of forms


def made(plan: FilmPlan, folder: Path) -> FilmVersion:
    return produce(plan, Solid(folder / "diary.txt"), Store(folder / "outputs"), CPU)


def why(plan: FilmPlan, folder: Path) -> str:
    store, solid = Store(folder / "outputs"), Solid(folder / "diary.txt")
    return with_film_change(Run(plan, solid, store, status(plan, store, solid), ())).film_change


def test_a_film_has_its_subtitles_in_the_picture_and_in_files(tmp_path: Path) -> None:
    version = made(subtitled(tmp_path, "burned", "files"), tmp_path)
    assert "Hello" in (version.folder / "film.srt").read_text(encoding="utf-8")
    assert "<v Anna>Hello" in (version.folder / "film.vtt").read_text(encoding="utf-8")
    assert {"film.srt", "film.vtt"} <= set(read_film(version.folder).files)
    page = version.page.read_text(encoding="utf-8")
    assert 'href="film.vtt"' in page
    assert "burned in, beside the film" in page
    assert re.search(r"00:00:00:00</span> <b[^>]*>Anna</b> <span[^>]*>Hello</span>", page)
    plan = json.loads((version.folder / "plan.json").read_text(encoding="utf-8"))
    assert plan["subtitles"]["cues"][0] == {"start": 0, "end": 0.25, "who": "Anna", "text": "Hello"}
    assert any((picture > 60).any() for picture in luma(version.video))


def test_a_film_without_files_has_none(tmp_path: Path) -> None:
    version = made(subtitled(tmp_path, "track"), tmp_path)
    assert not (version.folder / "film.srt").exists()
    assert "film.vtt" not in version.page.read_text(encoding="utf-8")


def test_another_text_makes_another_film_and_says_so(tmp_path: Path) -> None:
    first = made(subtitled(tmp_path, "burned"), tmp_path)
    assert made(subtitled(tmp_path, "burned"), tmp_path).reused
    changed = subtitled(tmp_path, "burned", cues=(replace(CUES[0], text="Goodbye"), CUES[1]))
    assert why(changed, tmp_path) == f"since {first.name}: subtitles changed"
    second = made(changed, tmp_path)
    assert (second.name, why(changed, tmp_path)) == ("v002", "")


def test_a_card_that_the_picture_has_no_room_for_is_a_warning(tmp_path: Path) -> None:
    plan = subtitled(tmp_path, "files")
    texts = ("line\n" * 60, "line\n" * 6)
    titled = replace(
        plan,
        opening=tuple(PlannedTitle(text, 8) for text in texts),
        lettering=tuple(Lettering(f"titles.open[{at}]", text) for at, text in enumerate(texts)),
    )
    (warning,) = lettering_warnings(titled)
    assert str(warning).startswith("titles.open[0]: the text is too long for a card, and its end is not shown: ")


def test_texts_of_more_than_two_lines_are_a_warning(tmp_path: Path) -> None:
    long = Cue(Fraction(0), Fraction(1, 4), "A text that nobody can put on two lines. " * 4)
    (warning,) = lettering_warnings(subtitled(tmp_path, "files", cues=(long, CUES[1])))
    assert "a subtitle does not fit into two lines: 'A text that nobody" in str(warning)
    assert lettering_warnings(subtitled(tmp_path, "files")) == ()
