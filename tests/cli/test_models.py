"""`models` and `models pull` as users run them: in a terminal, with a log, interrupted, killed, without a network."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.backends.wan.hub_server import COMMIT, FakeHub, serving
from tests.cli.conftest import environment
from tests.cli.warm_python import warm_python
from tests.store.values import filled, provenance
from tests.tiny_wan import KINDS, save_tiny
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.backends.wan.weights.manifest import Manifest
from wan_render.facts import FactCache
from wan_render.plan import make_plan
from wan_render.store import Store
from wan_render.storyboard import read_storyboard

pytestmark = pytest.mark.wan

NAME = "wan2.1-t2v-1.3b"
FOLDER = "Wan2.1-T2V-1.3B-Diffusers"
VAE = "vae/diffusion_pytorch_model.safetensors"

HELD_BACK = 65_536
"""Bytes of a file that an interruption costs at most."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(KINDS["t2v-2.1"], tmp_path_factory.mktemp("hub") / "t2v")


@pytest.fixture
def hub(published: Path, tmp_path: Path) -> Iterator[FakeHub]:
    folder = tmp_path / "hub"
    shutil.copytree(published, folder)
    with serving(folder, f"Wan-AI/{FOLDER}") as found:
        yield found


def machine(home: Path, endpoint: str) -> dict[str, str]:
    """Weights are in `home/data`, and the only hub is the given one."""
    known = {name: value for name, value in environment(home).items() if name != "WAN_RENDER_WEIGHTS"}
    return {**known, "HF_HOME": str(home / "hf"), "HF_ENDPOINT": endpoint, "MODELSCOPE_ENDPOINT": endpoint}


def run(home: Path, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm_python().run(arguments, home, machine(home, endpoint))


def listed(home: Path, endpoint: str) -> dict[str, object]:
    done = run(home, endpoint, "models", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)["models"]
    assert len(found) == 10
    return next(model for model in found if model["name"] == NAME)


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_model_is_pulled_to_where_it_is_found(hub: FakeHub, tmp_path: Path, source: str) -> None:
    before = listed(tmp_path, hub.endpoint)
    assert (before["state"], before["folder"], before["remedy"]) == (
        "missing",
        None,
        f"run: wan-render models pull {NAME}",
    )
    done = run(tmp_path, hub.endpoint, "models", "pull", NAME, "--source", source)

    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    assert folder == tmp_path / "data" / "wan-render" / "weights" / FOLDER
    assert f"commit {COMMIT} from {source}" in done.stdout
    assert "converting transformer/" in done.stderr
    after = listed(tmp_path, hub.endpoint)
    assert (after["state"], after["folder"], after["remedy"]) == ("here", str(folder), "")
    assert after["bytes"] == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert f"{folder}, " in run(tmp_path, hub.endpoint, "models").stdout


def test_an_existing_model_is_verified(hub: FakeHub, tmp_path: Path) -> None:
    run(tmp_path, hub.endpoint, "models", "pull", NAME)
    again = run(tmp_path, "http://127.0.0.1:9", "models", "pull", NAME)
    assert again.returncode == 0
    assert "already here, all files verified" in again.stdout


def test_a_pull_to_another_folder_says_how_to_use_it(hub: FakeHub, tmp_path: Path) -> None:
    done = run(tmp_path, hub.endpoint, "models", "pull", NAME, "--to", "weights here")
    assert done.returncode == 0, done.stderr
    assert "WAN_RENDER_WEIGHTS='weights here'" in done.stdout
    assert (tmp_path / "weights here" / FOLDER / "wan-render.json").is_file()


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_pull_stops_at_once_and_resumes_where_it_stopped(
    hub: FakeHub, tmp_path: Path, ending: signal.Signals, code: int
) -> None:
    """The hub stops answering in the middle of a file."""
    lengthen(hub.folder / VAE)
    hub.pause, hub.silent_after = threading.Event(), 200_000
    process = subprocess.Popen(
        [sys.executable, "-m", "wan_render.cli", "models", "pull", NAME],
        cwd=tmp_path,
        env=machine(tmp_path, hub.endpoint),
        stderr=subprocess.PIPE,
        text=True,
    )
    weights = tmp_path / "data" / "wan-render" / "weights"
    written = 200_000 // HELD_BACK * HELD_BACK
    wait_for(
        lambda: (begun := list(weights.rglob("vae/*.safetensors.sha256-*"))) and begun[0].stat().st_size == written
    )
    process.send_signal(ending)
    assert process.wait(60) == code
    assert [path for path, _ in hub.asked].count(VAE) == 1, "it asked the hub again before it left"
    assert process.stderr is not None
    process.stderr.close()
    assert not (weights / FOLDER).exists()
    hub.pause.set()
    hub.asked.clear()

    done = run(tmp_path, hub.endpoint, "models", "pull", NAME)
    assert done.returncode == 0, done.stderr
    assert (VAE, written) in hub.asked
    assert listed(tmp_path, hub.endpoint)["state"] == "here"


def lengthen(file: Path) -> None:
    """Add an unused tensor, so that the file has many pieces."""
    from safetensors.numpy import load_file, save_file

    save_file({**load_file(file), "unused": np.zeros(100_000, np.float32)}, file)


def wait_for(happens: object) -> None:
    assert callable(happens)
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_unknown_name_is_the_users_mistake(tmp_path: Path) -> None:
    done = run(tmp_path, "http://127.0.0.1:9", "models", "pull", "wan2.1-flf2v")
    assert done.returncode == 2
    assert "did you mean 'wan2.1-flf2v-14b'?" in done.stderr


def test_without_a_network_there_is_a_remedy(tmp_path: Path) -> None:
    done = run(tmp_path, "http://127.0.0.1:9", "models", "pull", NAME)
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert "--source" in done.stderr


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_hf_hub_offline_is_obeyed(hub: FakeHub, tmp_path: Path, source: str) -> None:
    command = [sys.executable, "-m", "wan_render.cli", "models", "pull", NAME, "--source", source]
    offline = {**machine(tmp_path, hub.endpoint), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=offline, timeout=120, check=False)
    assert done.returncode == 3
    assert "HF_HUB_OFFLINE is set; unset it" in done.stderr
    assert hub.asked == []


def test_without_huggingface_hub_the_extra_is_named(hub: FakeHub, tmp_path: Path) -> None:
    bare = "import sys; sys.modules['huggingface_hub'] = None; from wan_render.cli import main; sys.exit(main())"

    def pull() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", bare, "models", "pull", NAME]
        known = machine(tmp_path, hub.endpoint)
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=known, timeout=120, check=False
        )

    done = pull()
    assert done.returncode == 3
    assert "not installed: huggingface_hub" in done.stderr
    assert "pip install -c constraints.txt -e '.[wan]'" in done.stderr
    run(tmp_path, hub.endpoint, "models", "pull", NAME)
    assert "already here, all files verified" in pull().stdout


def test_a_terminal_shows_a_bar(hub: FakeHub, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "wan_render.cli", "models", "pull", NAME],
        cwd=tmp_path,
        env={**machine(tmp_path, hub.endpoint), "TERM": "xterm-256color", "COLUMNS": "120"},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: read(ours), b""))
        assert process.wait(60) == 0
    os.close(ours)
    assert b"on disk when done" in shown
    assert "━".encode() in shown


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side has closed
        return b""


def test_the_doctor_names_the_command_for_missing_weights(tmp_path: Path) -> None:
    doctor = run(tmp_path, "http://127.0.0.1:9", "doctor")
    assert f"run: wan-render models pull {NAME}" in doctor.stdout


OTHER = "f" * 40
STORYBOARD = f"""\
version: 1
film: {{title: Harbour, raster: 64x64, deliver: 96x96}}
defaults: {{duration: 1s, render: {{t2v: {{model: {NAME}}}}}}}
shots:
  - {{action: the light climbs}}
  - {{action: boats come home}}
"""


@pytest.mark.parametrize("recorded", [f"{COMMIT} from huggingface", OTHER, ""])
def test_takes_from_other_weights_are_a_warning_of_the_plan(published: Path, tmp_path: Path, recorded: str) -> None:
    folder = tmp_path / "data" / "wan-render" / "weights" / FOLDER
    shutil.copytree(published, folder)
    now = datetime.now(UTC)
    Manifest(NAME, f"Wan-AI/{FOLDER}", "huggingface", "https://h", "main", COMMIT, now, "1", {}).write(folder)
    file = tmp_path / "harbour.yaml"
    file.write_text(STORYBOARD)
    rendered_with(recorded, file, tmp_path)

    plan = run(tmp_path, "http://127.0.0.1:9", "plan", str(file))
    assert plan.returncode == 0, plan.stderr
    assert (f"were rendered with weights {OTHER}; this machine has {COMMIT}" in plan.stdout) == (recorded == OTHER)
    assert plan.stdout.count("were rendered with weights") == (recorded == OTHER)


def rendered_with(weights: str, file: Path, home: Path) -> None:
    """Both takes of the storyboard are in the store, from these weights."""
    cache = FactCache(home / "facts")
    models = catalogue(cache)
    document = read_storyboard(file, models=models, cache=cache)
    plan = make_plan(document, models=models, backend_id=BACKEND.id, cache=cache)
    made = replace(provenance(), versions={"weights": weights} if weights else {})
    assert len(plan.takes) == 2
    for take in plan.takes:
        Store(home / "outputs").publish(take, filled(made=made))
