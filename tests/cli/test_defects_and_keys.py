"""A defect while a key is in scope: a library raises, logs and prints the headers of its request. No file, no log and
no message has the key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.dashscope.buying import scripted
from tests.cli.conftest import environment, write_harbour
from tests.extension.chat_service import chat_service
from tests.fake_model_studio import KEY, serving, variables

LLM_KEY = "sk-of-a-language-model-0123456789"

DEFECT = """\
import logging, sys, threading, urllib.request

def broken(headers):
    logging.getLogger("library").error("sends %s", headers)
    print("sends", headers, file=sys.stderr)
    thread = threading.Thread(target=lambda: 1 / len(headers) and int(str(headers)))
    thread.start()
    thread.join()
    raise RuntimeError(f"cannot send {headers}") from ValueError(*headers.values())

def do_open(self, http_class, request, **others):
    broken(dict(request.header_items()))

urllib.request.AbstractHTTPHandler.do_open = do_open
if "--cloud" in sys.orig_argv or any("child" in word for word in sys.orig_argv):
    import httpx
    httpx.HTTPTransport.handle_request = lambda self, request: broken(dict(request.headers))
"""
"""Python imports it first of all (`sitecustomize`), in every process of the command."""

ROOT = Path(__file__).parents[2]


def film_of(folder: Path, shot: str) -> Path:
    """The harbour with one shot."""
    file = write_harbour(folder)
    head = file.read_text().partition("shots:")[0].replace("duration: 1s", "duration: 2s").replace("seed: 5", "")
    head = head.replace("title: Harbour,", "title: Harbour, budget: 3 CNY,")
    file.write_text(f"{head}shots:\n  - {{from: dawn, to: noon, action: the light climbs, {shot}}}\n")
    return file


def run(folder: Path, names: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, with the defect in all of its processes."""
    (folder / "defect").mkdir()
    (folder / "defect" / "sitecustomize.py").write_text(DEFECT)
    paths = os.pathsep.join((str(folder / "defect"), str(ROOT)))
    return subprocess.run(
        [sys.executable, "-m", "wan_render.cli", *arguments],
        cwd=folder,
        env={**environment(folder), **names, "PYTHONPATH": paths, "WAN_RENDER_DEVICES": "cpu"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def leaks(folder: Path, key: str) -> list[Path]:
    """The files that have the key."""
    return [file for file in folder.rglob("*") if file.is_file() and key.encode() in file.read_bytes()]


def test_a_defect_while_a_take_is_bought(tmp_path: Path) -> None:
    film = film_of(tmp_path, 'cloud: {allow: true}, render: {flf2v: {model: "dashscope:wan2.7-i2v"}}')
    with serving(scripted()) as service:
        done = run(tmp_path, variables(service), "render", str(film))
    assert done.returncode == 1, done.stderr
    assert "a defect while a take was bought: RuntimeError in broken (sitecustomize.py:9)" in done.stderr
    assert service.tasks == {}
    (log,) = (tmp_path / "outputs" / "logs").glob("*.log")
    said = log.read_text()
    assert said.count("'authorization': 'Bearer ***'") >= 4, said  # logged, printed, and in two tracebacks
    assert KEY not in done.stdout + done.stderr
    assert leaks(tmp_path, KEY) == []


@pytest.mark.parametrize("command", ["extend", "render"])
def test_a_defect_while_a_prompt_is_asked_for(tmp_path: Path, command: str) -> None:
    film = film_of(tmp_path, "render: {extend: true}")
    with chat_service("gone") as service:
        names = {"WAN_RENDER_LLM_URL": service.url, "WAN_RENDER_LLM_MODEL": "m", "WAN_RENDER_LLM_KEY": LLM_KEY}
        done = run(tmp_path, names, command, "--backend", "animatic", str(film))
    assert done.returncode == 3, done.stderr
    assert "wan-render: a defect: RuntimeError: cannot send {" in done.stderr
    assert "Bearer ***" in next((tmp_path / "cache" / "wan-render" / "defects").iterdir()).read_text()
    assert LLM_KEY not in done.stdout + done.stderr
    assert leaks(tmp_path, LLM_KEY) == []
