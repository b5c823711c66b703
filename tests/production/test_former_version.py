"""What a film's page says of the version before it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.production.solid import CPU
from tests.production.storyboards import ANIMATIC, Stage
from tests.reference import produce
from wan_render.production.film_cut import cut_of
from wan_render.production.former_version import former_version
from wan_render.production.run import begin
from wan_render.report import FormerVersion
from wan_render.store import PAGE, Store, read_film
from wan_render.store.films import RECORD

FIRST = """\
shots:
  - {from: a, to: b, action: dives}
  - {from: b, to: c, action: rises}
  - {card: Fin}
  - {still: a}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.made(tmp_path)


def since_then(stage: Stage, store: Store, shots: str) -> FormerVersion | None:
    """What the next version would say of the newest one."""
    with begin(stage.plan(shots), ANIMATIC, store) as run:
        film = store.films.latest(run.plan.slug)
        keys = {take.key: "not rendered" for shot in run.before.shots for take in shot.takes if take.clip is None}
        return former_version(run, cut_of(run, keys, store.find), film)


def test_every_change_of_a_shot_is_named(stage: Stage, store: Store) -> None:
    assert since_then(stage, store, FIRST) is None
    produce(stage.plan(FIRST), ANIMATIC, store, CPU)
    assert since_then(stage, store, FIRST) == FormerVersion("v001", {}, ())
    edited = FIRST.replace("dives", "sinks").replace("Fin", "End").replace("still: a", "still: c")
    produce(stage.plan(edited + "  - {still: b}\n"), ANIMATIC, store, CPU)
    page = (store.films.folder / "harbour" / "v002" / PAGE).read_text(encoding="utf-8")
    assert 'href="../v001/index.html"' in page
    for words in ("new take (prompt changed)", "text changed", "picture changed", "new shot"):
        assert page.count(words) == 2, words  # in the list, and at the shot
    found = since_then(stage, store, "shots:\n  - {card: sinks}\n  - {from: b, to: c, action: rises, duration: 2s}\n")
    assert found is not None
    assert found.name == "v002"
    assert found.changes["1/010"].startswith("now a card")
    assert found.changes["1/020"].startswith("missing now")
    assert found.gone == ("1/030", "1/040", "1/050")


def test_a_version_that_says_nothing_of_itself_is_not_compared(stage: Stage, store: Store) -> None:
    film = produce(stage.plan(FIRST), ANIMATIC, store, CPU)
    (film.folder / "cut.json").write_text("[]", encoding="utf-8")
    assert since_then(stage, store, FIRST) is None
    (film.folder / PAGE).unlink()
    assert since_then(stage, store, FIRST) is None


def test_the_page_of_a_store_lists_its_films_the_newest_first(stage: Stage, store: Store) -> None:
    index = store.root / PAGE
    film = produce(stage.plan(FIRST), ANIMATIC, store, CPU)
    assert index.read_text(encoding="utf-8").count("<li>") == 1
    plan = stage.plan(FIRST.replace("dives", "sinks"))
    other = replace(plan, slug="ältere-鹿", title="<b>鹿</b>")
    produce(other, ANIMATIC, store, CPU)
    _date_back(store.films.folder / other.slug / "v001")
    produce(plan, ANIMATIC, store, CPU)
    text = index.read_text(encoding="utf-8")
    assert text.index("films/harbour/v002/index.html") < text.index("films/%C3%A4ltere-%E9%B9%BF/v001/index.html")
    assert "films/harbour/v002/review/1-middle.jpg" in text
    assert 'before: <a href="films/harbour/v001/index.html">v001</a>' in text
    assert "&lt;b&gt;鹿&lt;/b&gt;" in text
    assert "font-face" in text
    index.unlink()
    index.mkdir()  # it cannot be written: that costs no film
    assert produce(stage.plan("shots:\n  - {card: Fin}\n"), ANIMATIC, store, CPU).name == "v003"
    assert film.page.is_file()


def _date_back(folder: Path) -> None:
    made = read_film(folder).made - timedelta(days=1)
    record = json.loads((folder / RECORD).read_bytes())
    (folder / RECORD).write_text(json.dumps({**record, "made": made.isoformat()}), encoding="utf-8")
