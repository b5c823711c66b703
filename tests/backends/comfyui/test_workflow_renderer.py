"""Takes on a ComfyUI server: rendered once, found again, and sent again when the server has lost them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.backends.comfyui.conftest import Read, differs, keyframes, take_of, until
from tests.backends.comfyui.fake_server import FakeComfyUI
from wan_render.backend_contract import Renderer
from wan_render.backends.comfyui import BACKEND, patient_server
from wan_render.backends.comfyui.server_jobs import Job, JobState, find_job, job_report, send_job
from wan_render.backends.comfyui.take_graph import FRAMES_NODE
from wan_render.bounded_http import HttpError
from wan_render.errors import DeviceError, RenderError
from wan_render.model_card import ModelCard
from wan_render.render_values import Device, Phase, Progress
from wan_render.settings import machine_settings


@pytest.fixture
def card(server: FakeComfyUI, read: Read) -> ModelCard:
    """The workflow, compared with the server."""
    reading = read()
    assert server.requests
    assert not reading.doubts
    return reading.card


def device() -> Device:
    (found,) = BACKEND.own_devices(machine_settings())
    return found


def opened(card: ModelCard) -> Renderer:
    return BACKEND.open(card, device(), lambda _: None)


def test_a_take_is_rendered_losslessly_and_its_progress_heard(server: FakeComfyUI, card: ModelCard) -> None:
    server.step_seconds = 0.01
    heard: list[Progress] = []
    take, inputs = take_of(card), keyframes()
    frames = opened(card).render(take, inputs, heard.append)
    assert frames.pixels.shape == (5, 48, 64, 3)
    assert frames.rate == 16
    assert inputs.first is not None
    assert inputs.last is not None
    assert differs(frames.pixels[0], inputs.first) == differs(frames.pixels[-1], inputs.last) == 0
    assert server.executed == [take.key]
    assert any((each.phase, each.total) == (Phase.STEP, 20) for each in heard)
    assert opened(card).facts()["comfyui"] == "0.3.71"


def test_everything_that_a_take_says_reaches_the_graph(card: ModelCard) -> None:
    renderer = opened(card)
    plain = renderer.render(take_of(card), keyframes(), lambda _: None).pixels
    others = [take_of(card, seed=8), take_of(card, prompt="a dove"), take_of(card, frames=9)]
    made = [renderer.render(take, keyframes(), lambda _: None).pixels for take in others]
    assert len(made[2]) == 9
    assert min(differs(plain, made[0]), differs(plain, made[1])) > 0


def test_a_lost_answer_is_not_rendered_twice(server: FakeComfyUI, card: ModelCard) -> None:
    server.faults.lost_answers = 1
    take = take_of(card)
    opened(card).render(take, keyframes(), lambda _: None)
    assert (server.sent, server.executed) == ([take.key], [take.key])


def test_a_job_of_an_earlier_process_is_taken_up_again(server: FakeComfyUI, card: ModelCard) -> None:
    """While it waits or renders, and after it has ended."""
    take = take_of(card)
    server.held.clear()
    abandoned = threading.Thread(target=_given_up, args=(card,), daemon=True)
    abandoned.start()
    until(lambda: server.sent == [take.key])
    server.held.set()
    opened(card).render(take, keyframes(), lambda _: None)
    assert server.sent == [take.key]
    abandoned.join()


def test_a_job_is_found_on_the_server_that_has_it(
    server: FakeComfyUI, card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash of ours, another device may get the take."""
    take = take_of(card)
    _given_up(card)
    with FakeComfyUI(tmp_path / "other").running() as other:
        monkeypatch.setenv("WAN_RENDER_COMFYUI", f"{server.url},http://127.0.0.1:9,{other.url}")
        devices = BACKEND.own_devices(machine_settings())
        BACKEND.open(card, devices[-1], lambda _: None).render(take, keyframes(), lambda _: None)
        assert (server.executed, other.sent) == ([take.key], [])


def _given_up(card: ModelCard) -> None:
    """A process that dies once its job is queued."""

    class DeadError(Exception):
        pass

    def listen(progress: Progress) -> None:
        if progress.phase is not Phase.LOADING:
            raise DeadError

    with pytest.raises(DeadError):
        opened(card).render(take_of(card), keyframes(), listen)


@pytest.mark.parametrize("moment", ["while it waits", "while it renders"])
def test_a_crash_of_the_server_costs_one_rendering(server: FakeComfyUI, card: ModelCard, moment: str) -> None:
    take, waited = take_of(card), threading.Event()
    server.held.clear()

    def listen(progress: Progress) -> None:
        if progress.phase in (Phase.ENCODING, Phase.STEP):
            waited.set()

    def restart() -> None:
        waited.wait(60)
        server.is_holding.wait(60)
        server.crash()
        server.held.set()
        time.sleep(0.3)
        server.start()

    server.held_from = 1 if moment == "while it renders" else 0
    again = threading.Thread(target=restart)
    again.start()
    opened(card).render(take, keyframes(), listen)
    again.join()
    assert waited.is_set()
    assert server.is_holding.is_set()
    assert server.sent == [take.key, take.key]
    assert server.executed == [take.key]


@pytest.mark.parametrize("fault", ["vanished", "damaged", "errors"])
def test_lost_pictures_and_stumbling_servers_end_in_the_same_take(
    server: FakeComfyUI, card: ModelCard, fault: str
) -> None:
    whole = opened(card).render(take_of(card), keyframes(), lambda _: None).pixels
    renderer = opened(card)
    setattr(server.faults, fault, 3)
    again = renderer.render(take_of(card), keyframes(), lambda _: None).pixels
    assert differs(whole, again) == 0


def test_the_node_that_failed_is_named(server: FakeComfyUI, card: ModelCard) -> None:
    server.faults.failing = {"VAEDecode": ("RuntimeError", "mat1 and mat2\nshapes cannot be multiplied")}
    with pytest.raises(RenderError, match=r"node '8' \(VAEDecode\) failed: RuntimeError: mat1 and mat2 shapes"):
        opened(card).render(take_of(card), keyframes(), lambda _: None)
    server.faults.failing = {"KSampler": ("torch.OutOfMemoryError", "Allocation on device")}
    with pytest.raises(DeviceError, match=r"node '3' \(KSampler\)"):
        opened(card).render(take_of(card, seed=8), keyframes(), lambda _: None)


def test_a_refused_graph_names_its_node(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of weights may be removed after the storyboard was checked."""
    monkeypatch.setattr("tests.backends.comfyui.fake_nodes.UNET", "other.safetensors")
    with pytest.raises(RenderError, match=r"node '37' \(UNETLoader\) is refused: Value not in list: unet_name"):
        opened(card).render(take_of(card), keyframes(), lambda _: None)


def test_without_a_websocket_takes_are_rendered_as_well(server: FakeComfyUI, card: ModelCard) -> None:
    server.crash()
    server.has_websocket = False
    server.start()
    heard: list[Progress] = []
    opened(card).render(take_of(card), keyframes(), heard.append)
    assert [each for each in heard if each.phase is Phase.STEP] == [Progress(Phase.STEP, 20, 20)], "said at the end"


@pytest.mark.parametrize("fault", ["redirect", "huge"])
def test_an_answer_that_leads_elsewhere_or_never_ends_is_refused(
    server: FakeComfyUI, card: ModelCard, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_server, "RESTART_SECONDS", 0.0)
    renderer = opened(card)
    server.requests.clear()
    setattr(server.faults, fault, {"redirect": f"{server.url}/elsewhere", "huge": True}[fault])
    with pytest.raises(DeviceError, match=r"redirects to|larger than"):
        renderer.render(take_of(card), keyframes(), lambda _: None)
    assert not [each for each in server.requests if "elsewhere" in each]


STRANGE: tuple[Any, ...] = (
    None,
    5,
    [],
    "x",
    {},
    {"a": None},
    [None],
    [[1, 2]],
    {"queue_running": [[0, "../x", 3, {"wan_render": 4}]]},
)


class Strange:
    """A server whose every answer is the same."""

    base = "http://strange"

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def get_json(self, path: str) -> Any:  # noqa: ARG002 - see above
        return self._answer

    def post_json(self, path: str, body: Any) -> Any:  # noqa: ARG002 - see above
        return self._answer


@pytest.mark.parametrize("answer", STRANGE, ids=str)
def test_strange_answers_are_no_jobs(answer: Any) -> None:
    service: Any = Strange(answer)
    assert find_job(service, "key") is None
    assert job_report(service, Job("id", "")).state is JobState.LOST
    with pytest.raises(HttpError, match="no prompt_id"):
        send_job(service, {}, "key", "client")


@pytest.mark.parametrize(
    "image",
    [
        {"filename": "a\n.png", "subfolder": "", "type": "temp"},
        {"filename": "a.png", "subfolder": "", "type": "/etc"},
        {"filename": "", "subfolder": "", "type": "temp"},
        {"filename": "a" * 600, "subfolder": "", "type": "temp"},
        "a.png",
    ],
    ids=str,
)
def test_strange_names_of_files_are_refused(image: Any) -> None:
    outputs = {FRAMES_NODE: {"images": [image]}}
    service: Any = Strange({"id": {"prompt": [], "outputs": outputs, "status": {"status_str": "success"}}})
    with pytest.raises(HttpError, match="strange file"):
        job_report(service, Job("id", ""))
