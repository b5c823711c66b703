from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.store.test_films import film
from tests.store.values import A_TAKE, filled, provenance, take
from wan_render.backend_contract import THE_ONLY_VARIANT, Renderer, Variant
from wan_render.errors import DiskError, InputError, Problem
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.plan import CardText, FilmPlan, NotYet, PlannedShot, PlannedTake, Rendered
from wan_render.plan.film_plan import Content
from wan_render.render_values import ALONE, Device, Listen, Workspace
from wan_render.status import FilmStatus, State, pin_warnings, plan_json, status
from wan_render.store import Store
from wan_render.take import Size, Take


@dataclass(frozen=True)
class Estimating:
    """A backend that is only asked how long it takes: 100 s for every take."""

    id: str = "test/1"
    is_preview: bool = True
    device_kinds: tuple[str, ...] = ("cpu",)

    def missing(
        self, card: ModelCard, loras: Sequence[PublishedLora] = (), profile: str = "", variant: str = ""
    ) -> Problem | None:
        raise AssertionError((card, loras, profile, variant))

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:  # noqa: ARG002
        return THE_ONLY_VARIANT

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:  # noqa: ARG002
        raise AssertionError((profile, devices))

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:
        raise AssertionError((take, card))

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:
        assert devices == 1
        assert device_kind == "cpu"
        return 100.0 * (take.frames > 0)

    def timed_on(self, device_kind: str) -> str:  # noqa: ARG002
        return ""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:
        raise AssertionError((card, device, listen, workspace))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs")


def rendered(*takes: Take, chosen: int = 1, pin: str | None = None) -> Rendered:
    return Rendered(tuple(PlannedTake(number, take) for number, take in enumerate(takes, 1)), chosen, pin)


def plan_of(shots: Mapping[str, Content], omitted: tuple[str, ...] = ()) -> FilmPlan:
    planned = tuple(
        PlannedShot(
            shot, shot[0], shot[2:], _place(shot), content, 0, 5, 0, None, where=f"river.yaml:{_place(shot)[1]}:5"
        )
        for shot, content in shots.items()
    )
    return FilmPlan(
        title="River",
        slug="river",
        file=Path("river.yaml"),
        backend="test/1",
        size=Size(64, 48),
        delivery=Size(64, 48),
        fit="cover",
        rate=Fraction(16),
        fade_in=0,
        fade_out=0,
        opening=(),
        shots=planned,
        closing=(),
        omitted={shot: _place(shot) for shot in omitted},
        pictures={},
        models={},
        warnings=(Problem("river.yaml:3:1", "the picture is enlarged 2.0 times"),),
    )


def _place(shot: str) -> tuple[int, int]:
    """Of "1/020": the second of the first scene."""
    return int(shot[0]) - 1, int(shot[2:]) // 10 - 1


def look(shots: Mapping[str, Content], store: Store, omitted: tuple[str, ...] = ()) -> FilmStatus:
    return status(plan_of(shots, omitted), store, Estimating())


def one(content: Content, store: Store) -> tuple[State, str]:
    """State and why of a film's only shot."""
    shot = look({"1/010": content}, store).shot("1/010")
    return shot.state, shot.why


def render(store: Store, shot: str, number: int, take: Take, seconds: float = 2.0) -> None:
    """What a run leaves behind."""
    store.publish(take, filled(made=provenance(seconds={"loading": 50.0, "step": seconds})))
    store.memory.remember("river", {shot: {number: take}})


def test_a_shot_is_missing_until_something_was_rendered_under_its_id(store: Store) -> None:
    assert one(rendered(A_TAKE), store) == (State.MISSING, "first take")

    render(store, "1/010", 1, A_TAKE)

    assert one(rendered(A_TAKE), store) == (State.FOUND, "")


def test_a_changed_prompt_makes_its_shot_stale_and_says_so(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)
    render(store, "1/020", 1, take(2))

    now = look({"1/010": rendered(replace(A_TAKE, prompt="night")), "1/020": rendered(take(2))}, store)

    assert (now.shot("1/010").state, now.shot("1/010").why) == (State.STALE, "prompt changed")
    assert now.shot("1/020").state == State.FOUND
    assert now.to_render == (replace(A_TAKE, prompt="night"),)


def test_everything_that_changed_is_named(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)

    state, why = one(rendered(replace(A_TAKE, prompt="night", seed=9)), store)

    assert (state, why) == (State.STALE, "prompt and seed changed")


def test_a_renamed_shot_is_found_by_what_it_is(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)

    assert look({"2/900": rendered(A_TAKE)}, store).shot("2/900").state == State.FOUND


def test_a_shot_is_as_bad_as_its_worst_take(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)

    shot = look({"1/010": rendered(A_TAKE, take(2))}, store).shot("1/010")

    assert [found.state for found in shot.takes] == [State.FOUND, State.STALE]
    assert (shot.state, shot.why) == (State.STALE, "take 2 is new")


def test_a_new_take_of_an_edited_shot_says_both(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)
    wanted = Rendered((PlannedTake(2, replace(take(2), prompt="night")),), 2)

    assert one(wanted, store) == (State.STALE, "take 2 is new, prompt changed")


def test_a_clip_that_is_gone_or_damaged_is_named_as_such(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)
    (store.takes.folder / A_TAKE.key / "clip.mkv").write_bytes(b"spoilt")
    assert store.verify(A_TAKE.key) is None
    assert one(rendered(A_TAKE), store) == (State.STALE, "its clip was damaged")

    render(store, "1/020", 1, take(2))
    store.takes.delete(take(2).key, store.takes.folder / take(2).key)
    assert look({"1/020": rendered(take(2))}, store).shot("1/020").why == "its clip is gone"


def test_a_pinned_clip_is_kept_whatever_was_edited_since(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)
    now = replace(A_TAKE, prompt="night")

    shot = look({"1/010": rendered(now, pin=A_TAKE.key[:6])}, store).shot("1/010")

    assert (shot.state, shot.why, shot.chosen) == (State.KEPT, "prompt changed since", A_TAKE.key)
    assert [(kept.key, kept.take, kept.fields["prompt"]) for kept in shot.takes] == [(A_TAKE.key, None, A_TAKE.prompt)]


def test_a_pin_on_the_shot_as_it_is_written_is_a_take_like_any_other(store: Store) -> None:
    content = rendered(A_TAKE, pin=A_TAKE.key[:6])
    assert one(content, store) == (State.MISSING, "first take")

    render(store, "1/010", 1, A_TAKE)

    assert one(content, store) == (State.FOUND, "")


def test_a_pinned_clip_that_is_not_there_is_never_replaced_by_another(store: Store) -> None:
    now = look({"1/010": rendered(A_TAKE, pin="0123456")}, store)

    shot = now.shot("1/010")
    assert (shot.state, shot.takes, now.to_render) == (State.MISSING, (), ())
    assert shot.why == "circle: 1@0123456 keeps a clip, but no such clip exists"
    (warning,) = pin_warnings(now)
    assert str(warning).startswith(
        "river.yaml:0:5: this shot will be a slate: circle: 1@0123456 keeps a clip, but no such clip exists; "
    )


def test_a_pin_that_keeps_something_and_a_shot_of_no_takes_are_no_warning(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)
    kept = rendered(take(2), pin=A_TAKE.key[:8])
    assert pin_warnings(look({"1/010": kept, "1/020": CardText(""), "1/030": NotYet("clip")}, store, ("1/040",))) == ()


def test_a_circled_take_that_was_never_rendered_says_so(store: Store) -> None:
    words = "take 99 is circled and does not exist yet: it will be rendered"
    content = Rendered((PlannedTake(1, A_TAKE), PlannedTake(99, take(99))), 99, circled=99)
    assert one(content, store) == (State.MISSING, f"first take; {words}")
    render(store, "1/010", 1, A_TAKE)
    assert one(content, store) == (State.STALE, words)
    render(store, "1/010", 99, take(99))
    assert one(content, store) == (State.FOUND, "")


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (replace(A_TAKE, frames=1), "it has 1 frames, the shot now shows 5"),
        (replace(A_TAKE, size=Size(48, 64)), "it is 48x64, the film's raster is 64x48"),
        (replace(A_TAKE, rate=Fraction(24)), "it has 24 frames per second, the shot's model has 16"),
    ],
)
def test_a_pinned_clip_that_does_not_fit_any_more_is_refused_in_words(store: Store, kept: Take, words: str) -> None:
    render(store, "1/010", 1, kept)

    state, why = one(rendered(A_TAKE, pin=kept.key[:8]), store)

    assert state == State.MISSING
    assert words in why


def test_a_pin_that_fits_two_clips_asks_for_more_digits(store: Store) -> None:
    by_digit: dict[str, list[Take]] = {}
    for seed in range(2, 19):  # among 17 takes two begin alike
        by_digit.setdefault(take(seed).key[0], []).append(take(seed))
    digit, alike = next((digit, takes) for digit, takes in by_digit.items() if len(takes) > 1)
    for other in alike:
        render(store, "1/020", 1, other)
    wanted = next(take(seed) for seed in range(30, 99) if take(seed).key[0] != digit)

    _, why = one(rendered(wanted, pin=digit), store)

    assert f"match {len(alike)} clips; write more digits" in why


def test_stills_and_cards_are_found_what_cannot_be_rendered_yet_is_missing_and_omitted_shots_are_listed(
    store: Store,
) -> None:
    now = look({"1/010": CardText("Fin"), "1/030": NotYet("through comes later")}, store, omitted=("1/020", "1/040"))

    assert [(shot.id, shot.state, shot.why) for shot in now.shots] == [
        ("1/010", State.FOUND, ""),
        ("1/020", State.OMITTED, "status: omit"),
        ("1/030", State.MISSING, "through comes later"),
        ("1/040", State.OMITTED, "status: omit"),
    ]


def test_two_equal_shots_are_rendered_once(store: Store) -> None:
    now = look({"1/010": rendered(A_TAKE), "1/020": rendered(A_TAKE)}, store)

    assert now.to_render == (A_TAKE,)
    assert now.seconds == pytest.approx(100.0, abs=0.1)


def test_time_is_what_comparable_takes_took_scaled_by_steps_and_frames(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE, seconds=4.0)  # 5 frames, 4 steps; loading does not count
    longer = replace(A_TAKE, frames=10, sampling=replace(A_TAKE.sampling, steps=8))

    assert look({"1/020": rendered(longer)}, store).seconds == pytest.approx(16.0)
    assert look({"1/020": rendered(replace(longer, backend="b/1"))}, store).seconds == pytest.approx(100.0, abs=0.1)
    assert look({"1/010": rendered(A_TAKE)}, store).seconds == 0.0


def test_the_time_of_a_group_of_devices_says_nothing_of_one(store: Store) -> None:
    store.publish(A_TAKE, filled(made=replace(provenance(seconds={"step": 4.0}), device="cpu:0 + cpu:1")))
    other = replace(A_TAKE, prompt="night")

    assert look({"1/020": rendered(other)}, store).seconds == pytest.approx(100.0, abs=0.1)


def test_where_nothing_was_measured_writing_is_added_to_what_the_backend_expects(store: Store) -> None:
    large = replace(A_TAKE, size=Size(832, 480), frames=81)

    assert 2.1 < look({"1/010": rendered(large)}, store).seconds - 100.0 < 4.8


def test_the_film_takes_time_of_its_own_by_its_delivered_pixels_until_it_is_there(store: Store) -> None:
    def film_seconds(plan: FilmPlan) -> float:
        return status(plan, store, Estimating()).film_seconds

    plan = plan_of({"1/010": CardText("Fin")})
    large = replace(plan, delivery=Size(1280, 720))
    larger = replace(plan, delivery=Size(2560, 1440))
    assert film_seconds(large) > film_seconds(plan) > 0
    assert film_seconds(larger) - film_seconds(large) == pytest.approx(
        3 * (film_seconds(large) - film_seconds(plan)), rel=0.02
    )

    store.films.publish("river", film("k1"))
    assert film_seconds(plan) == 0.0
    assert film_seconds(plan_of({"1/010": rendered(A_TAKE)})) > 0.0, "a new take makes a new film"


def test_outputs_that_are_a_file_are_refused_by_looking(store: Store) -> None:
    store.root.write_text("not a folder")

    with pytest.raises(DiskError, match="there is a file where a folder is needed") as caught:
        look({"1/010": rendered(A_TAKE)}, store)

    assert caught.value.problems[0].where == str(store.root)


def test_a_clip_that_is_there_and_changed_was_damaged(store: Store) -> None:
    render(store, "1/010", 1, A_TAKE)
    clip = store.find(A_TAKE.key)
    assert clip is not None
    clip.video.write_bytes(b"fra")

    assert one(rendered(A_TAKE), store) == (State.STALE, "its clip was damaged")


def test_the_bytes_of_a_clip_are_as_measured(store: Store) -> None:
    large = replace(A_TAKE, size=Size(832, 480), frames=81)
    alone = look({"1/010": rendered(large)}, store).bytes
    both = look({"1/010": rendered(large), "1/020": rendered(replace(large, seed=2))}, store).bytes

    assert both - alone == pytest.approx(31e6, rel=0.05), "29 MB of clip and its preview"


def test_a_slug_of_another_storyboard_is_refused_by_looking(store: Store, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.touch()
    store.memory.claim("river", other)

    with pytest.raises(InputError, match=r"already belongs to .*other\.yaml"):
        look({"1/010": rendered(A_TAKE)}, store)


def test_the_json_of_a_plan_has_every_resolved_setting(store: Store) -> None:
    render(store, "1/010", 1, replace(A_TAKE, prompt="day"))
    shots: dict[str, Content] = {"1/010": rendered(A_TAKE, take(2)), "1/020": CardText("Fin")}
    plan = plan_of({**shots, "1/040": rendered(A_TAKE, pin="0123456")}, omitted=("1/030",))
    plan = replace(plan, gpus={A_TAKE.key: 2})

    value = json.loads(json.dumps(plan_json(plan, status(plan, store, Estimating()))))

    assert list(value) == [
        "version",
        "film",
        "frames",
        "seconds",
        "expected",
        "warnings",
        "notes",
        "loras",
        "sounds",
        "shots",
        "subtitles",
        "deliverables",
        "prompts",
        "painted",
    ]
    assert (value["version"], value["frames"], value["seconds"]) == (1, 15, 0.9375)
    assert value["film"]["slug"] == "river"
    assert value["warnings"][0]["found"] == "the picture is enlarged 2.0 times"
    assert value["warnings"][1]["found"].startswith("this shot will be a slate: circle: 1@0123456")
    assert value["expected"]["device_seconds"] > 0
    assert value["expected"]["film_seconds"] > 0
    assert [(shot["id"], shot["state"]) for shot in value["shots"]] == [
        ("1/010", "stale"),
        ("1/020", "found"),
        ("1/030", "omitted"),
        ("1/040", "missing"),
    ]
    first = value["shots"][0]["takes"][0]
    assert first["key"] == A_TAKE.key
    assert [take["gpus"] for take in value["shots"][0]["takes"]] == [2, None]
    assert (first["state"], first["why"], first["chosen"]) == ("stale", "prompt changed", True)
    assert {field: first[field] for field in ("seed", "prompt", "frames", "size", "rate", "sampling")} == {
        "seed": 1,
        "prompt": A_TAKE.prompt,
        "frames": 5,
        "size": {"width": 64, "height": 48},
        "rate": "16/1",
        "sampling": {"steps": 4, "guidance": [5.0], "shift": 3.0, "profile": "exact"},
    }
