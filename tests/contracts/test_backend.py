"""What every backend promises at the render seam, whatever it renders with.

A new backend adds one entry; what stands here is then asked of it for every kind of shot that its model can do.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest

from docs.examples.backend.models import FINE, GrainFamily
from tests.backends.comfyui.conftest import WRITTEN
from tests.backends.comfyui.fake_nodes import flf_workflow
from tests.backends.comfyui.fake_server import FakeComfyUI
from tests.contracts.conftest import ONE_LINE, Unwatched
from tests.fake_model_studio import FakeService, serving, variables
from tests.tiny_wan import KINDS, card_of, save_tiny
from wan_render.backend_contract import Backend, Renderer
from wan_render.backends import backend
from wan_render.backends.comfyui import BACKEND as COMFYUI
from wan_render.backends.dashscope import BACKEND as DASHSCOPE
from wan_render.errors import WanRenderError
from wan_render.facts import FactCache
from wan_render.frame_checks import checked
from wan_render.model_card import KindDefaults, ModelCard
from wan_render.model_weights import PullRequest
from wan_render.purchase import NOTHING_LIMITS
from wan_render.render_values import Device, Group, Phase, Pixels, Progress, TakeInputs
from wan_render.settings import machine_settings
from wan_render.store.purchase_ledger import PurchaseLedger, TakeDesk
from wan_render.take import Bridge, Plate, Sampling, ShotKind, Size, Take, TakePart
from wan_render.workflows.workflow import NamedWorkflow

CPU = Device("cpu", "the test's CPU", 1 << 30)
SMALL = Size(64, 48)
LEDGERS = count()
HEAVY = ("torch", "diffusers", "transformers", "cv2", "av", "pandas")


@dataclass(frozen=True)
class Entry:
    """A backend under test: its registry name, and cards of small models to render with.

    card builds (or finds) a model in a folder of the test session; it is asked once for each folder. costs_money:
    whether its takes are bought.
    """

    name: str
    card: Callable[[Path], ModelCard]
    size: Size = SMALL
    frames: int = 5
    device: Device = CPU
    costs_money: bool = False


def any_card(_: Path) -> ModelCard:
    """The animatic takes every model's card: this one is for its limits only."""
    defaults = KindDefaults(Sampling(steps=50, guidance=(5.0,), shift=16.0), "")
    return ModelCard("any", "somebody/any@1", dict.fromkeys(ShotKind, defaults), Fraction(16))


def tiny_wan(name: str) -> Callable[[Path], ModelCard]:
    """A tiny checkpoint of one kind of Wan model, saved in the folder."""
    return lambda folder: card_of(save_tiny(KINDS[name], folder / "model"))


def grain(folder: Path) -> ModelCard:
    """The weights of the sample backend, in a folder of their own."""
    pulled = GrainFamily().pull(PullRequest(FINE, folder), Unwatched())
    return GrainFamily().catalogue(FactCache(folder / "facts")).folder(pulled.folder)


def hosted(_: Path) -> ModelCard:
    """A model of the fake service."""
    return next(card for card in DASHSCOPE.offered if card.name == "dashscope:wan2.7-i2v")


def workflow(folder: Path) -> ModelCard:
    """A workflow between two keyframes."""
    file = folder / "workflow_api.json"
    file.write_text(json.dumps(flf_workflow()))
    inputs = tuple((role, (place,)) for role, place in WRITTEN.items())
    return COMFYUI.read_workflow(NamedWorkflow(file, file.name, inputs), None).card


SLOT = Device("dashscope:0", "the test's slot", 0)

ENTRIES = [
    pytest.param(Entry("animatic", any_card), id="animatic"),
    pytest.param(Entry("comfyui", workflow), id="comfyui"),
    pytest.param(Entry("dashscope", hosted, frames=61, device=SLOT, costs_money=True), id="dashscope"),
    pytest.param(Entry("grain", grain), id="grain"),
    pytest.param(Entry("wan", tiny_wan("flf2v-2.1")), id="wan-flf2v", marks=pytest.mark.wan),
    pytest.param(Entry("wan", tiny_wan("i2v-a14b")), id="wan-two-experts", marks=pytest.mark.wan),
    pytest.param(Entry("wan", tiny_wan("ti2v-5b"), size=Size(64, 32)), id="wan-5b", marks=pytest.mark.wan),
    pytest.param(Entry("wan", tiny_wan("vace")), id="wan-vace", marks=pytest.mark.wan),
]


@dataclass(frozen=True)
class Stage:
    """An entry with its model ready to be opened."""

    entry: Entry
    backend: Backend
    card: ModelCard
    folder: Path
    _rendered: dict[str, Pixels] = field(default_factory=dict)

    def first(self, take: Take) -> Pixels:
        """What its first rendering gave, by a renderer of its own."""
        if take.key not in self._rendered:
            self._rendered[take.key] = rendered(self, take)
        return self._rendered[take.key]

    @contextmanager
    def open(self) -> Iterator[Renderer]:
        renderer = self.backend.open(self.card, self.entry.device, lambda _: None)
        try:
            yield renderer
        finally:
            renderer.close()

    def take(self, kind: ShotKind, *, seed: int = 7, frames: int | None = None) -> Take:
        first = Plate("f" * 64, self.entry.size) if kind in (ShotKind.I2V, ShotKind.FLF2V) else None
        last = Plate("1" * 64, self.entry.size) if kind is ShotKind.FLF2V else None
        defaults = self.card.kinds.get(kind) or next(iter(self.card.kinds.values()))
        return Take(
            backend=self.backend.id,
            model=self.card.identity,
            first=first,
            last=last,
            prompt="a river from the sky",
            negative=defaults.negative,
            frames=frames or self.entry.frames,
            size=self.entry.size,
            rate=self.card.rate,
            seed=seed,
            sampling=replace(defaults.sampling, steps=defaults.sampling.steps if self.entry.costs_money else 2),
            bridge=Bridge(TakePart("f" * 64, 3, 1), TakePart("1" * 64, 0, 2)) if kind is ShotKind.BRIDGE else None,
        )

    def plates(self, take: Take) -> TakeInputs:
        size = take.size
        ledger = PurchaseLedger(self.folder / str(next(LEDGERS)))
        return TakeInputs(
            desk=TakeDesk(ledger, take.key, "film", "1/010", NOTHING_LIMITS) if self.entry.costs_money else None,
            first=picture(size, 1) if take.first else None,
            last=picture(size, 2) if take.last else None,
            before=np.stack([picture(size, 3)]) if take.bridge else None,
            after=np.stack([picture(size, 4), picture(size, 5)]) if take.bridge else None,
        )


def picture(size: Size, seed: int) -> Pixels:
    """Coarse coloured patches."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    rows = np.arange(size.height) * 6 // size.height
    columns = np.arange(size.width) * 8 // size.width
    return patches[rows][:, columns].copy()


@pytest.fixture(scope="module", params=ENTRIES)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    entry: Entry = request.param
    folder = tmp_path_factory.mktemp(entry.name)
    with pytest.MonkeyPatch.context() as patch, serving(FakeService()) as service, ExitStack() as servers:
        if entry.name == "comfyui":
            server = servers.enter_context(FakeComfyUI(folder / "comfyui").running())
            patch.setenv("WAN_RENDER_COMFYUI", server.url)
            entry = replace(entry, device=COMFYUI.own_devices(machine_settings())[0])
        for name, value in variables(service).items() if entry.costs_money else ():
            patch.setenv(name, value)
        yield Stage(entry, backend(entry.name), entry.card(folder), folder)


def kinds_of(stage: Stage) -> list[ShotKind]:
    assert stage.card.kinds, "a model that can render nothing"
    return [kind for kind in ShotKind if kind in stage.card.kinds]


def rendered(stage: Stage, take: Take) -> Pixels:
    with stage.open() as renderer:
        return checked(take, renderer.render(take, stage.plates(take), lambda _: None), stage.plates(take)).pixels


def test_it_is_a_value(stage: Stage) -> None:
    again = pickle.loads(pickle.dumps(stage.backend))  # noqa: S301 - our own bytes

    assert again == stage.backend
    assert hash(again) == hash(stage.backend)


def test_its_id_is_a_name_and_a_version(stage: Stage) -> None:
    name, _, version = stage.backend.id.partition("/")

    assert name == stage.entry.name
    assert version.isdecimal()


def test_describing_it_loads_nothing_heavy(stage: Stage) -> None:
    code = f"""
{ONE_LINE}
import pickle, sys
from docs.examples.backend.models import FINE, GrainFamily
from tests.contracts.conftest import ONE_LINE, Unwatched
from tests.tiny_wan import KINDS, card_of, save_tiny
from wan_render.backends import backend
found = pickle.loads(pickle.dumps(backend({stage.entry.name!r})))
found.id, found.is_preview, found.device_kinds
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == ""


def test_nothing_is_missing_where_it_opens(stage: Stage) -> None:
    assert stage.backend.missing(stage.card) is None
    with stage.open() as renderer:
        assert renderer.facts()


def test_it_has_a_kind_of_device_and_a_time_for_it(stage: Stage) -> None:
    assert stage.backend.device_kinds
    short, long = (stage.take(kinds_of(stage)[0], frames=frames) for frames in (5, 81))
    for kind in stage.backend.device_kinds:
        assert 0 < stage.backend.expected_seconds(short, kind) < stage.backend.expected_seconds(long, kind)


def test_it_says_of_which_device_its_times_are(stage: Stage) -> None:
    assert {kind: stage.backend.timed_on(kind) for kind in stage.backend.device_kinds} in (
        {"cpu": ""},
        {"dashscope": ""},
        {"comfyui": ""},
        {"cuda": "NVIDIA H200", "cpu": ""},
    )


def test_it_says_how_many_devices_can_share_a_take(stage: Stage) -> None:
    for kind in kinds_of(stage):
        take = stage.take(kind)
        sizes = stage.backend.group_sizes(take, stage.card)
        assert sizes[0] == 1
        assert list(sizes) == sorted(set(sizes))
        for device in stage.backend.device_kinds:
            times = [stage.backend.expected_seconds(take, device, size) for size in sizes]
            assert times[0] == stage.backend.expected_seconds(take, device)
            assert all(fewer > more > 0 for fewer, more in pairwise(times))


def test_it_says_which_devices_cannot_render_a_profile(stage: Stage) -> None:
    device = stage.entry.device
    assert stage.backend.unable("exact", (device,)) == {}
    for profile in ("fast", "balanced", "draft"):
        assert set(stage.backend.unable(profile, (device,))) <= {device.name}
        assert stage.backend.unable(profile, ()) == {}


def test_a_group_that_cannot_share_a_take_is_refused(stage: Stage, tmp_path: Path) -> None:
    take = stage.take(kinds_of(stage)[0])
    size = next(size for size in range(2, 99) if size not in stage.backend.group_sizes(take, stage.card))
    with stage.open() as renderer:
        with pytest.raises(WanRenderError):
            renderer.render(take, stage.plates(take), lambda _: None, Group(0, size, tmp_path))
        with pytest.raises(WanRenderError):
            renderer.assist(take, TakeInputs(None, None), lambda _: None, Group(1, size, tmp_path))


def test_it_returns_what_the_take_asks_for(stage: Stage) -> None:
    for kind in kinds_of(stage):
        take = stage.take(kind)
        assert stage.first(take).shape == (take.frames, take.size.height, take.size.width, 3)


def test_a_take_comes_out_the_same_again(stage: Stage) -> None:
    for kind in kinds_of(stage):
        take = stage.take(kind)
        assert np.array_equal(stage.first(take), rendered(stage, take)), kind


def test_what_was_rendered_before_changes_nothing(stage: Stage) -> None:
    for kind in kinds_of(stage):
        take, other = stage.take(kind), stage.take(kind, seed=8)
        with stage.open() as renderer:
            renderer.render(other, stage.plates(other), lambda _: None)
            warm = renderer.render(take, stage.plates(take), lambda _: None).pixels
        assert np.array_equal(warm, stage.first(take)), kind


def test_another_seed_gives_another_performance(stage: Stage) -> None:
    for kind in kinds_of(stage):
        one, two = stage.take(kind, seed=7), stage.take(kind, seed=8)
        assert not np.array_equal(stage.first(one), stage.first(two)), kind


def test_plates_are_not_drawn_on(stage: Stage) -> None:
    for kind in kinds_of(stage):
        take = stage.take(kind)
        given, kept = stage.plates(take), stage.plates(take)
        with stage.open() as renderer:
            renderer.render(take, given, lambda _: None)
        pairs = [(getattr(given, name), getattr(kept, name)) for name in ("first", "last", "before", "after")]
        for one, two in pairs:
            assert one is two is None or np.array_equal(one, two)


def test_progress_is_ordered_and_ends_at_its_total(stage: Stage) -> None:
    for kind in kinds_of(stage):
        take = stage.take(kind)
        heard: list[Progress] = []
        with stage.open() as renderer:
            renderer.render(take, stage.plates(take), heard.append)
        # What a later phase needs may be loaded only then: two experts need not be in memory together.
        order = [list(Phase).index(event.phase) for event in heard if event.phase is not Phase.LOADING]
        assert order == sorted(order)
        steps = [event for event in heard if event.phase is Phase.STEP]
        assert steps, "a render without a step cannot be watched"
        assert [event.done for event in steps] == sorted(event.done for event in steps)
        assert {event.total for event in steps} == {steps[-1].done}


def test_plates_that_are_not_the_takes_are_refused(stage: Stage) -> None:
    wrong = Size(stage.entry.size.width + 16, stage.entry.size.height)
    for kind in kinds_of(stage):
        take = stage.take(kind)
        right = stage.plates(take)
        refused = [
            TakeInputs(picture(wrong, 1), right.last) if take.first else TakeInputs(picture(take.size, 1), None),
            TakeInputs(None, right.last) if take.first else TakeInputs(None, picture(take.size, 1)),
            TakeInputs(right.first, None if take.last else picture(take.size, 2)),
        ]
        with stage.open() as renderer:
            for plates in refused:
                with pytest.raises(WanRenderError):
                    renderer.render(take, plates, lambda _: None)


def test_a_kind_that_the_model_cannot_do_is_refused(stage: Stage) -> None:
    only = kinds_of(stage)[0]
    poorer = replace(stage.card, kinds={only: stage.card.kinds[only]})
    renderer = stage.backend.open(poorer, stage.entry.device, lambda _: None)
    for kind in set(ShotKind) - {only}:
        take = stage.take(kind)
        with pytest.raises(WanRenderError):
            renderer.render(take, stage.plates(take), lambda _: None)
    renderer.close()


def test_frames_off_the_grid_are_rendered_exactly_or_refused(stage: Stage) -> None:
    for kind in kinds_of(stage):
        with stage.open() as renderer:
            for frames in (4, 6, 7):
                take = stage.take(kind, frames=frames)
                try:
                    found = renderer.render(take, stage.plates(take), lambda _: None)
                except WanRenderError:
                    continue
                assert len(checked(take, found, stage.plates(take)).pixels) == frames


def test_it_can_be_closed_twice_and_renders_nothing_after(stage: Stage) -> None:
    renderer = stage.backend.open(stage.card, stage.entry.device, lambda _: None)
    renderer.close()
    renderer.close()
    take = stage.take(kinds_of(stage)[0])

    with pytest.raises(WanRenderError):
        renderer.render(take, stage.plates(take), lambda _: None)


def test_a_device_of_another_kind_is_refused(stage: Stage) -> None:
    with pytest.raises(WanRenderError):
        stage.backend.open(stage.card, Device("abacus:0", "beads", 0), lambda _: None)


def test_being_stopped_while_rendering_gets_through(stage: Stage) -> None:
    from wan_render.errors import Problem, Stopped

    def stop(_: Progress) -> None:
        raise Stopped(Problem("the test", "stopped"))

    take = stage.take(kinds_of(stage)[0])
    with stage.open() as renderer, pytest.raises(Stopped):
        renderer.render(take, stage.plates(take), stop)
