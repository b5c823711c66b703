"""`python -m flows.farm`: a Prefect server, a worker and the deployments on this machine, until Ctrl-C.

The server is the one that PREFECT_API_URL or prefect.toml names, on loopback; all that it keeps lies in .farm/ unless
PREFECT_HOME says otherwise. BACKEND says what deployments render with where a run does not say.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from wan_render.backends import names
from wan_render.cli.session import OWN_MODELS
from wan_render.errors import MachineError, Problem, Stopped, UsageError, WanRenderError
from wan_render.settings import machine_settings

PREVIEW = "animatic"
"""What is deployed where the models' own backend cannot work."""

DEMONSTRATION = "storyboards/river-to-dove/storyboard.yaml"
LOOK_SECONDS = 0.5
"""How often the programs are looked at."""


def main() -> int:
    """Run the farm; returns the exit code of wan-render's errors."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        _run(Path.cwd())
    except Stopped:
        return 0
    except WanRenderError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def backend_to_deploy(asked: str) -> tuple[str | None, str]:
    """The `backend` parameter of the deployments, and the sentence that says so. Raises UsageError."""
    if asked:
        if asked not in names():
            raise UsageError(Problem("BACKEND", f"no backend is called '{asked}'", f"allowed: {', '.join(names())}"))
        return (None if asked == OWN_MODELS else asked), f"films are made with: {asked} (BACKEND)"
    lacking = [package for package in ("torch", "diffusers") if find_spec(package) is None]
    if lacking:
        return PREVIEW, (
            f"films are made with: {PREVIEW}, a preview; not installed: {', '.join(lacking)}\n"
            f"BACKEND={OWN_MODELS} deploys the models that the storyboards name"
        )
    return None, "films are made with: the models that their storyboards name"


def _run(project: Path) -> None:
    if not (project / "prefect.yaml").is_file():
        raise UsageError(Problem(str(project), "has no prefect.yaml", remedy="run this in wan-render's own folder"))
    machine_settings()  # the runs would have these variables, and fail in the night
    backend, sentence = backend_to_deploy(os.environ.get("BACKEND", ""))
    # Everything of Prefect is imported after what can be refused without it: it takes a second.
    from flows.running import Farm

    with _lock(_home(project)) as lock:
        farm = Farm(project, _home(project), lock)
        farm.refuse_taken_port()
        with farm:
            farm.deploy(backend)
            _say(_welcome(farm.api, farm.ui, sentence))
            while True:
                time.sleep(LOOK_SECONDS)
                for line in farm.revive():
                    _say(line)


def _home(project: Path) -> Path:
    return Path(os.environ.get("PREFECT_HOME") or project / ".farm").absolute()


@contextmanager
def _lock(home: Path) -> Iterator[int]:
    """One farm a folder: held until the last of its programs has gone."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "farm.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise MachineError(_running(home, file.read().split())) from None
        file.truncate(0)
        yield file.fileno()


def _running(home: Path, processes: list[str]) -> Problem:
    return Problem(
        str(home),
        f"a farm runs here already, or some of its programs do: processes {' '.join(processes)}",
        remedy=f"use that one, or end it: kill {' '.join(processes)}",
    )


def _welcome(api: str, ui: str, sentence: str) -> str:
    from prefect.settings import get_current_settings

    elsewhere = "" if get_current_settings().api.url == _configured() else f"    export PREFECT_API_URL={api}\n"
    return f"""
The farm runs: {ui}
{sentence}

In another terminal, in this folder:
{elsewhere}    .venv/bin/prefect deployment run 'film/now' -p storyboard={DEMONSTRATION} --watch
    .venv/bin/prefect deployment run 'batch/overnight' --watch
    .venv/bin/prefect deployment schedule ls 'batch/overnight'

Ctrl-C stops it all; what was finished is kept. docs/operations.md has the rest.
"""


def _configured() -> str | None:
    """The address that a `prefect` command in this folder asks, without this process's variables."""
    import tomllib

    with Path("prefect.toml").open("rb") as file:
        url: str | None = tomllib.load(file).get("api", {}).get("url")
    return url


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it is being stopped, in order; that takes some seconds
    _say("\nstopping …")
    raise Stopped(Problem("the farm", "was stopped"))


if __name__ == "__main__":
    sys.exit(main())
