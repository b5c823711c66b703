"""Fixtures that tests of several parts share."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

# A busy machine is no defect: speed is measured in benchmarks/. The same examples each time: a red run can be repeated.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# Tests multiply small matrices, and two or more of them at a time. Threads of one would wait for each other, and use
# the CPU while they wait. torch and numpy read it when they are imported, here and in every process that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.prefect_server import PrefectServer

Smi = Callable[..., None]

TESTS = Path(__file__).parent

SERVERS = {"farm", "prefect_server", "caller"}
"""Fixtures that start a Prefect server. Other tests with that mark need its packages only."""

SHARING = {"backends/wan", "editors", "report"}
"""Folders whose conftest makes something once for the tests of all files: checkpoints, a film, a browser."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET_BROWSER = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def pytest_configure() -> None:
    """Started in the background by a script, a process ignores Ctrl-C, and so does all that it starts: tests of Ctrl-C
    would wait for ever. Every process of tests has device locks of its own, none of them the user's. Tests start
    hundreds of processes, which keep their bytecode: without it, each compiles wan-render again."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"  # each process would look for them in every installed package
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"  # nobody's, and none of the tests'
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        folder = Path(tempfile.gettempdir()) / f"wan-render-tests-{os.getuid()}-{worker}"
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    os.environ["WAN_RENDER_LOCKS"] = tempfile.mkdtemp(prefix="wan-render-test-locks-")


def pytest_unconfigure() -> None:
    """The locks go."""
    shutil.rmtree(os.environ["WAN_RENDER_LOCKS"], ignore_errors=True)


LONG_ID = 80
"""Characters. Workers send the id of a test several times, and some texts and files under test have millions."""


def pytest_make_parametrize_id(val: object) -> str | None:
    """The beginning and the length of a long text; pytest's own id for everything else."""
    if not isinstance(val, str | bytes) or len(val) <= LONG_ID:
        return None
    begin = val[:20].encode("unicode_escape") if isinstance(val, str) else val[:20]
    return f"{begin.decode('ascii', 'backslashreplace')}…{len(val)}"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Importing all tests makes no garbage: looking for it meanwhile took a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before xdist's own, which reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process has all tests of a file, so that its films, checkpoints and servers are made once. What takes longest
    begins first: then both processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group_of(item)))
    items.sort(key=lambda item: (group_of(item) != "prefect", item.path not in slow))


def group_of(item: pytest.Item) -> str:
    """That of the Prefect server, which takes longer to start than most of its tests; a folder or a file."""
    if item.get_closest_marker("prefect") is not None and SERVERS & set(getattr(item, "fixturenames", ())):
        return "prefect"
    folder = item.path.parent.relative_to(TESTS)
    return str(folder) if str(folder) in SHARING else str(folder / item.path.name)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Groups of tests have to stay in one process: pytest 9.2 and xdist 3.8 together forget them without a word.

    What is there before the first test is no garbage: half a million objects, if torch is among them. Looking takes a
    third of a second, and renderers look whenever they close.
    """
    gc.collect()
    gc.freeze()
    if getattr(session.config.option, "loadgroup", False):
        lost = [
            item.nodeid for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid
        ]
        if lost:
            raise pytest.UsageError(f"xdist lost the group of {len(lost)} tests, of {lost[0]} for one")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own; skipped where only root may make one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no right to mount a small disk; a limited file size covers the rest")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)  # noqa: S607 - only root comes here


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Smi:
    """`smi(stdout, code, capabilities)` puts an nvidia-smi on the PATH that answers so, the last where it is asked for
    compute capabilities; until then there is none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def answer(stdout: str, code: int = 0, capabilities: str = "") -> None:
        (tmp_path / "devices").write_text(stdout)
        (tmp_path / "capabilities").write_text(capabilities)
        script = tmp_path / "nvidia-smi"
        asked = 'case "$1" in *compute_cap*) said=capabilities ;; *) said=devices ;; esac'
        script.write_text(f"#!/bin/sh\n{asked}\n/bin/cat '{tmp_path}'/$said\nexit {code}\n")
        script.chmod(0o755)

    return answer


@pytest.fixture(autouse=True)
def _forked_devices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Farms in this process start device processes at once (tests/forked_devices.py), those of tests marked `wan` with
    torch. Tests marked `spawned` start them as a farm does; so do those on GPUs, as CUDA bears no fork."""
    marks = {mark.name for mark in request.node.iter_markers()}
    if sys.platform != "linux" or marks & {"spawned", "gpu"}:
        return
    from tests.forked_devices import ALWAYS, TORCH, fork_device  # it imports a device process; Linux only

    modules = TORCH if "wan" in marks else ALWAYS
    monkeypatch.setattr("wan_render.farm.process.process_link._spawn", partial(fork_device, modules))


NOBODY = 65534

AsNobody = Callable[[Callable[[], object]], None]


@pytest.fixture
def as_nobody(capfd: pytest.CaptureFixture[str]) -> AsNobody:
    """`as_nobody(check)` calls it in a process that may not do all: where the tests are root's, as user 65534. What it
    needs should be imported before. Its AssertionErrors are ours."""

    def run(check: Callable[[], object]) -> None:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                check()
                code = 0
            except BaseException:  # noqa: BLE001 - a process of its own: it tells all that happened and ends
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, capfd.readouterr().err

    return run


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that user 65534 can reach and write, which pytest's are not for it."""
    with tempfile.TemporaryDirectory(prefix="wan-render-tests-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium. One for all tests of a process: playwright refuses to be opened twice in a thread."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=list(QUIET_BROWSER))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[PrefectServer]:
    """A Prefect server for flows that run in this process. It starts once: that takes seconds."""
    from tests.prefect_server import running_server  # Prefect is an extra

    with running_server() as server:
        yield server
