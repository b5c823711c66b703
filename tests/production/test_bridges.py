"""`transition: bridge 4f`: frames around a cut are rendered again, as a take between two; films, end to end."""

from __future__ import annotations

import csv
import json
import logging
from typing import Any

import numpy as np
import pytest

from tests.production.solid import CPU
from tests.production.storyboards import ANIMATIC, Stage, animatic_film, clip_of, pixels_of, take_of
from wan_render.cut import ClipSource
from wan_render.errors import StoryboardError
from wan_render.production.film_cut import read_cut
from wan_render.production.finish import finish
from wan_render.production.render_take import render_take
from wan_render.production.run import begin
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.session.shot_selection import selected
from wan_render.status import plan_json, status
from wan_render.store import Store
from wan_render.take import Bridge, ShotKind, TakePart

TWO = "shots: [{from: a, to: b, action: one, transition: bridge 4f}, {from: b, to: c, action: two}]"
ID = "1/010+bridge"


def keyframes_of(provenance: dict[str, Any]) -> list[dict[str, Any]]:
    (takes,) = (each["data"]["takes"] for each in provenance["assertions"] if each["label"] == "org.wan-render.takes")
    return [keyframe for take in takes for keyframe in take["keyframes"]]


def mistakes(stage: Stage, shots: str) -> str:
    with pytest.raises(StoryboardError) as raised:
        stage.plan(shots)
    return str(raised.value)


def test_a_bridge_lies_between_two_takes_and_adds_no_time(stage: Stage, store: Store) -> None:
    plan = stage.plan(TWO)
    before, bridge, after = (take_of(plan, shot) for shot in ("1/010", ID, "1/020"))
    assert bridge.kind is ShotKind.BRIDGE
    assert bridge.bridge == Bridge(TakePart(before.key, 0, 12), TakePart(after.key, 4, 13))
    assert (bridge.frames, bridge.prompt) == (33, "one, two")

    version = animatic_film(plan, store)

    assert version.frames == animatic_film(stage.plan(TWO.replace("bridge 4f", "cut")), store).frames == 33
    frames = pixels_of(store, bridge)
    assert np.array_equal(frames[:12], pixels_of(store, before)[:12])
    assert np.array_equal(frames[20:], pixels_of(store, after)[4:])
    assert not np.array_equal(frames[12:16], pixels_of(store, before)[12:16])
    assert clip_of(store, bridge).preview.exists()
    events = [(event.name, event.first, event.frames) for event in read_cut(version.folder).events]
    assert events == [("1/010", 0, 12), (ID, 12, 8), ("1/020", 4, 13)]


def test_a_bridge_is_listed_by_name(stage: Stage, store: Store) -> None:
    plan = stage.plan(TWO)
    (planned,) = (shot for shot in plan_json(plan, status(plan, store, ANIMATIC))["shots"] if shot["id"] == ID)
    assert planned["bridges"] == {"before": "1/010", "after": "1/020", "frames": 4}
    assert planned["takes"][0]["bridge"]["after"]["frames"] == 13

    version = animatic_film(plan, store)

    rows = list(csv.DictReader((version.folder / "shots.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["shot"], row["what"], row["start_frame"]) for row in rows] == [
        ("010", "flf2v", "0"),
        ("010+bridge", "bridge", "12"),
        ("020", "flf2v", "20"),
    ]
    assert all(row["seam"] for row in rows[:2]), "both ends of a bridge are measured"
    provenance = json.loads((version.folder / "film.provenance.json").read_text(encoding="utf-8"))
    before = take_of(plan, "1/010").key
    assert {"role": "before", "take": before, "frame": 0, "frames": 12} in keyframes_of(provenance)
    assert ID in version.page.read_text(encoding="utf-8")


def test_another_take_of_a_neighbour_makes_another_bridge(stage: Stage, store: Store) -> None:
    animatic_film(stage.plan(TWO), store)
    changed = stage.plan(TWO.replace("action: two", "action: two, circle: 2"))
    states = {shot.id: (shot.state.value, shot.why) for shot in status(changed, store, ANIMATIC).shots}
    assert states["1/010"] == ("found", "")
    assert states[ID] == ("stale", "a shot that it bridges changed")

    with begin(changed, ANIMATIC, store) as run:
        assert [(order.shot, order.number) for order in run.orders][-2:] == [("1/020", 2), (ID, 1)]


def test_beside_a_slate_a_bridge_becomes_a_cut_and_says_so(
    stage: Stage, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    plan = stage.plan(TWO)
    (stage.folder / "keyframes" / "c.png").write_bytes(b"gone")
    with caplog.at_level(logging.WARNING):
        version = animatic_film(plan, store)

    assert (list(version.slates), version.frames) == (["1/020"], 33)
    words = f"{ID} is a cut: 1/020 has no clip"
    assert words in caplog.text
    assert words in version.page.read_text(encoding="utf-8")
    assert words in (version.folder / "plan.json").read_text(encoding="utf-8")
    events = read_cut(version.folder).events
    assert [(event.name, event.frames) for event in events] == [("1/010", 16), ("1/020", 17)]
    assert events[0].joint is not None
    assert events[0].joint.kind == "cut"


def test_a_bridge_that_is_not_rendered_becomes_a_cut(stage: Stage, store: Store) -> None:
    plan = stage.plan(TWO)
    with begin(plan, ANIMATIC, store) as run:
        warm = WarmRenderer(store.stages)
        for order in run.orders[:-1]:
            render_take(order, warm, CPU, store, lambda _: None)
        warm.close()
        version = finish(run, {run.orders[-1].take.key: "out of memory"})

    assert version.slates == {}
    warnings = json.loads((version.folder / "plan.json").read_text(encoding="utf-8"))["warnings"]
    assert [warning["found"] for warning in warnings if ID in warning["found"]] == [f"{ID} is a cut: out of memory"]
    again = animatic_film(plan, store)
    assert [event.name for event in read_cut(again.folder).events] == ["1/010", ID, "1/020"]


def test_only_renders_a_bridge_when_both_shots_are_there(stage: Stage, store: Store) -> None:
    plan = stage.plan(TWO)

    def wanted(only: set[str]) -> list[str]:
        with begin(plan, ANIMATIC, store, only=only) as run:
            return [order.shot for order in run.orders]

    assert wanted({"1/010"}) == ["1/010"]
    assert wanted({"1/010", "1/020"}) == ["1/010", "1/020", ID]
    assert wanted({ID}) == ["1/010", "1/020", ID]
    assert selected(plan, "1") == {"1/010", "1/020"}
    assert selected(plan, ID) == {ID}


@pytest.mark.parametrize("rate", [24, 25])
def test_a_bridge_runs_on_in_time_at_another_rate(stage: Stage, store: Store, rate: int) -> None:
    """Each film frame of the bridge is one step after the one before it, and so is the first frame after it."""
    plan = stage.plan(TWO.replace("from: a", "duration: 2s, from: a"), film=f"rate: {rate}")
    version = animatic_film(plan, store)
    bridge = take_of(plan, ID).bridge
    assert bridge is not None
    cut = read_cut(version.folder)
    one, between, other = cut.events
    assert all(isinstance(event.source, ClipSource) for event in cut.events)
    step = (one.rate or 0) / cut.rate
    last = one.source_position(one.frames - 1, cut.rate)
    assert between.source_position(0, cut.rate) + bridge.before.first - last == step
    rendered = take_of(plan, ID).frames - bridge.after.frames
    first = other.source_position(0, cut.rate) - bridge.after.first + rendered
    assert abs(first - between.source_position(between.frames - 1, cut.rate) - step) <= step / 2
    assert version.frames == cut.frames


def test_a_bridge_is_between_two_shots_that_are_rendered(stage: Stage) -> None:
    assert "1/020 is a still" in mistakes(stage, TWO.replace("from: b, to: c", "still: b"))
    assert "1/010 has a hold" in mistakes(stage, TWO.replace("from: a", "hold: 4f, from: a"))
    inherited = "[{shot: 010, from: a, to: b}, {shot: 020, still: b}, {shot: 030, from: b, to: c}]"
    plan = stage.plan(f"scenes: [{{transition: bridge 4f, shots: {inherited}}}]")
    assert plan.bridges == ()
    assert "1/010 cuts to the next shot, without a bridge: 1/020 is a still" in "".join(map(str, plan.notes))


def test_a_bridge_has_room(stage: Stage) -> None:
    assert "at most 35" in mistakes(stage, TWO.replace("4f", "36f"))
    assert "the take of 1/010 is too short" in mistakes(stage, TWO.replace("4f", "13f"))
    assert "bridges replace 16 frames of 1/010; it shows 16" in mistakes(stage, TWO.replace("4f", "16f"))


def test_a_draft_and_a_shot_that_cannot_be_rendered_have_cuts(stage: Stage) -> None:
    draft = stage.plan(TWO, draft=True)
    assert draft.bridges == ()
    assert "a draft cuts where the film has bridges" in "".join(map(str, draft.notes))
    pinned = stage.plan(TWO.replace("action: one", "action: one, circle: 1@abcdef12"))
    assert pinned.bridges == ()
    assert f"{ID} is a cut: 1/010, which is pinned to @abcdef12" in "".join(map(str, pinned.warnings))


def test_settings_of_shots_that_do_not_hold_for_bridges_are_named(stage: Stage) -> None:
    plan = stage.plan(TWO.replace("from: a", "render: {profile: fast, seed: 9, bridge: {steps: 7}}, from: a"))

    bridge = take_of(plan, ID)
    assert (bridge.sampling.profile, bridge.sampling.steps, bridge.seed) == ("exact", 7, 9)
    assert f"bridges are rendered without profile fast: {ID}" in "".join(map(str, plan.warnings))
