"""Where every take exists, the plan says whether render makes the film again, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.production.solid import CPU, Solid, a_take, film, painted
from tests.reference import produce
from wan_render.keys import content_key
from wan_render.plan import CardText, FilmPlan, PlannedJoint, StillPicture
from wan_render.production.film_change import with_film_change
from wan_render.production.film_cut import FILM_FORM, FORMER_FILM_FORMS, cut_of
from wan_render.production.run import Run
from wan_render.status import status
from wan_render.store import FilmVersion, Store, read_film
from wan_render.store.films import RECORD


@pytest.fixture
def solid(tmp_path: Path) -> Solid:
    return Solid(tmp_path / "diary.txt")


@pytest.fixture
def plan(tmp_path: Path) -> FilmPlan:
    plate, pictures = painted(tmp_path, 30)
    return film(
        tmp_path,
        {"1/010": a_take("dawn"), "1/020": a_take("noon"), "1/030": StillPicture(plate), "1/040": CardText("Fin")},
        pictures,
    )


def looked_at(plan: FilmPlan, store: Store, solid: Solid) -> Run:
    return Run(plan, solid, store, status(plan, store, solid), ())


def why(plan: FilmPlan, store: Store, solid: Solid) -> str:
    found = with_film_change(looked_at(plan, store, solid))
    assert bool(found.film_change) == (found.film_seconds > 0)
    return found.film_change


def edited(plan: FilmPlan, at: int, **fields: object) -> FilmPlan:
    shots = list(plan.shots)
    shots[at] = replace(shots[at], **fields)  # type: ignore[arg-type]  # any field of a planned shot
    return replace(plan, shots=tuple(shots))


def test_the_plan_says_what_changed_since_the_newest_version_and_render_makes_it(
    plan: FilmPlan, store: Store, solid: Solid
) -> None:
    first, second, third, fourth = plan.shots
    assert produce(plan, solid, store, CPU).name == "v001"
    assert why(plan, store, solid) == ""

    edits = {
        "title changed": replace(plan, title="Sea"),
        "fade out changed": replace(plan, fade_out=2),
        "1/010 (joint) changed": edited(plan, 0, joint=PlannedJoint("dissolve", 2)),
        "1/030 (length, hold) changed": edited(plan, 2, frames=3, hold=1),
        "1/040 (picture) changed": edited(plan, 3, content=CardText("End")),
        "1/020 removed": replace(plan, shots=(first, third, fourth)),
        "order of shots changed": replace(plan, shots=(second, first, third, fourth)),
        "1/015 added; 1/010 removed": replace(plan, shots=(replace(first, id="1/015"), second, third, fourth)),
    }
    assert {words: why(other, store, solid) for words, other in edits.items()} == {
        words: f"since v001: {words}" for words in edits
    }
    assert produce(edits["title changed"], solid, store, CPU).name == "v002"
    assert why(edits["title changed"], store, solid) == ""


def test_a_film_of_an_older_version_with_a_fault_is_reported(plan: FilmPlan, store: Store, solid: Solid) -> None:
    made = produce(plan, solid, store, CPU)
    cut = cut_of(looked_at(plan, store, solid), {}, store.verify)
    assert made.key == content_key(FILM_FORM, cut)

    for form, fault in FORMER_FILM_FORMS.items():
        rekey(made, content_key(form, cut))
        assert why(plan, store, solid) == f"v001 was made by an older wan-render ({fault})"
    rekey(made, content_key("film/999", cut))
    assert why(plan, store, solid) == "v001 was made by another version of wan-render"


def test_a_version_that_lost_a_file_is_reported(plan: FilmPlan, store: Store, solid: Solid) -> None:
    made = produce(plan, solid, store, CPU)
    made.video.write_bytes(made.video.read_bytes()[:-1])
    assert why(plan, store, solid) == "v001 was changed after it was made: film.mp4"
    made.page.unlink()
    assert why(plan, store, solid) == "v001 has no review page"


def test_a_film_with_slates_is_not_made_again_for_the_same_reasons(
    plan: FilmPlan, store: Store, solid: Solid, tmp_path: Path
) -> None:
    for picture in plan.pictures.values():
        picture.write_text("no picture any more")
    assert produce(plan, solid, store, CPU).slates.keys() == {"1/030"}
    assert why(plan, store, solid) == ""
    _, mended = painted(tmp_path, 30)
    assert why(replace(plan, pictures=mended), store, solid) == "since v001: 1/030 (picture) changed"


def rekey(made: FilmVersion, key: str) -> None:
    """Change the record to that of an older version."""
    record = read_film(made.folder)
    (made.folder / RECORD).write_bytes(replace(record, key=key).to_json())
