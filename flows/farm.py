"""`wan-render farm up` (`python -m flows.farm`): a Prefect server, a worker and the deployments on this machine, until
Ctrl-C.

The server is the one that PREFECT_API_URL or prefect.toml names, on loopback; all that it keeps lies in .farm/ unless
PREFECT_HOME says otherwise, and it asks for the password that is kept there. BACKEND says what deployments render with
where a run does not say. `--only` starts the server or the worker alone. `--new-password` makes another password and
starts nothing; `--deploy` makes the pool and the deployments on a server that runs already, here or elsewhere.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from flows.commands.up_options import add_up_options
from flows.farm_home.drain import end_drain
from flows.farm_home.farm_lock import FarmPart, held_locks, processes_of
from flows.farm_home.home import (
    PASSWORD,
    PROFILES,
    SETTINGS,
    WAS_OPEN,
    close,
    farm_home,
    hand_to_prefect,
    new_password,
    password,
    refuse_closed,
    runs,
    safe_password,
)
from flows.farm_home.prefect_settings import check_prefect_settings
from flows.farm_home.time_zone import farm_zone, has_terminal
from wan_render.backends import DEFAULT, PREVIEW_BACKEND, backend
from wan_render.diagnosis import HasFindings
from wan_render.errors import MachineError, Problem, Stopped, UsageError, WanRenderError
from wan_render.settings import BACKEND_SETTING, machine_settings

DEMONSTRATION = "storyboards/river-to-dove/storyboard.yaml"
LOOK_SECONDS = 0.5
"""How often the programs are looked at."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the farm; returns the exit code of wan-render's errors."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.farm", description="A Prefect server and worker on this machine."
    )
    add_up_options(parser)
    try:
        return up(parser.parse_args(arguments))
    except WanRenderError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def up(asked: argparse.Namespace) -> int:
    """`farm up`. Raises WanRenderError."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        project = _project(Path.cwd())
        refuse_closed(farm_home(project))
        if asked.new_password:
            _renew(farm_home(project))
        elif asked.deploy:
            _deploy(project)
        elif _goes_on(farm_home(project), asked.parts):
            _say("the farm runs already, and takes films again")
        else:
            _run(project, asked)
    except Stopped:
        pass
    return 0


def _goes_on(home: Path, parts: Sequence[FarmPart]) -> bool:
    """End the drain of a farm that runs; whether there was one."""
    return FarmPart.WORKER in parts and bool(processes_of(home, FarmPart.WORKER)) and end_drain(home)


def backend_to_deploy(asked: str, chosen: str | None = None) -> tuple[str | None, str]:
    """The `backend` parameter of the deployments, and the sentence that says so. asked: BACKEND; chosen:
    WAN_RENDER_BACKEND, which the worker hands on to every run. Raises UsageError."""
    if asked:
        return backend(asked, "BACKEND").id.partition("/")[0], f"films are made with: {asked} (BACKEND)"
    if chosen is not None:
        backend(chosen, BACKEND_SETTING)
        return None, f"films are made with: {chosen} ({BACKEND_SETTING})"
    if lacking := _lacking():
        return PREVIEW_BACKEND, (
            f"films are made with: {PREVIEW_BACKEND}, a preview; {lacking}\n"
            f"BACKEND={DEFAULT} deploys the models that the storyboards name"
        )
    return None, "films are made with: the models that their storyboards name"


def _lacking() -> str:
    """What the default backend needs and does not find here; "" where it can render."""
    default = backend(DEFAULT)
    findings = default.findings() if isinstance(default, HasFindings) else ()
    return "; ".join(f"{each.what}: {each.found}" for each in findings if each.remedy)


def _project(folder: Path) -> Path:
    if not (folder / "prefect.yaml").is_file():
        raise UsageError(Problem(str(folder), "has no prefect.yaml", remedy="run this in wan-render's own folder"))
    return folder


def _run(project: Path, asked: argparse.Namespace) -> None:
    settings = machine_settings()  # the runs would have these variables, and fail in the night
    check_prefect_settings()
    has_server = FarmPart.SERVER in asked.parts
    if has_server:
        _refuse_other_passwords()
    deployed, sentence = backend_to_deploy(asked.backend or os.environ.get("BACKEND", ""), settings.backend)
    # Everything of Prefect is imported after what can be refused without it: it takes a second.
    from flows.upkeep.running import FarmPlan, FarmServices
    from flows.upkeep.server_address import own_names

    home = farm_home(project)
    _refuse_open_server(home, asked.listen)
    names = (*asked.known_as, *own_names(asked.listen))
    plan = FarmPlan(asked.parts, asked.name or f"farm on {socket.gethostname()}", asked.listen, names)
    with held_locks(home, asked.parts) as locks:
        if plan.has_worker:
            end_drain(home)
        secret, said = safe_password(home) if has_server else _others_password(home)
        for line in said:
            _say(line)
        zone, zone_said = farm_zone(home, asks=has_terminal()) if has_server else ("", "")
        _say("starting …")
        farm = FarmServices(project, home, secret, locks, plan)
        if has_server:
            hand_to_prefect(home, secret, farm.api)
        with farm:
            for line in farm.deploy(deployed, zone, was_open=(home / WAS_OPEN).exists()):
                _say(line)
            if has_server:
                (home / WAS_OPEN).unlink(missing_ok=True)
                _say(_welcome(farm.api, farm.ui, home, (sentence, zone_said, *farm.next_runs())))
            else:
                _say(f"The worker '{plan.worker}' runs; its farm is at {farm.ui}\nCtrl-C stops it.")
            while True:
                time.sleep(LOOK_SECONDS)
                for line in farm.look():
                    _say(line)


def _others_password(home: Path) -> tuple[str, tuple[str, ...]]:
    """The password of a server that runs elsewhere, and a warning if it goes there unencrypted."""
    from prefect.settings import get_current_settings

    from flows.upkeep.server_address import others_address

    opened = close(home)
    if PROFILES in opened:
        found = "other users could read or replace it, and the password in it"
        raise MachineError(Problem(str(home / PROFILES), found, remedy="make a new password on the farm, and copy it"))
    settings = get_current_settings().api
    if settings.auth_string is None:
        found = "has no password of the farm's server"
        raise UsageError(Problem(str(home / PROFILES), found, remedy="copy this file from the farm's machine"))
    _host, warning = others_address(settings.url or "")
    return settings.auth_string.get_secret_value(), (warning,) if warning else ()


def _refuse_open_server(home: Path, listen: str) -> None:
    """Who opens the server to other machines has to know its password first."""
    from flows.upkeep.server_address import is_loopback

    if listen and not is_loopback(listen) and password(home) is None:
        found = f"{listen} can be reached from other machines, and the server has no password yet"
        remedy = "make one, and copy it to them: wan-render farm up --new-password"
        raise UsageError(Problem("--listen", found, remedy=remedy))


def _renew(home: Path) -> None:
    with held_locks(home, tuple(FarmPart)):
        close(home)
        hand_to_prefect(home, new_password(home))
    _say(f"a new password is in {home / PASSWORD}; the next `make farm` asks for it, and so does its UI, once")


def _deploy(project: Path) -> None:
    machine_settings()
    check_prefect_settings()
    backend, sentence = backend_to_deploy(os.environ.get("BACKEND", ""))
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException
    from prefect.settings import get_current_settings

    from flows.deployments.deploying import tell

    api = get_current_settings().api.url
    home = farm_home(project)
    zone, _said = farm_zone(home, asks=False)
    has_farm = runs(home) and "PREFECT_API_URL" not in os.environ  # the server is the one of this folder's farm
    try:
        with get_client(sync_client=True) as client:
            for line in tell(client, project, backend, os.environ, zone=zone, has_farm=has_farm):
                _say(line)
    except (httpx.HTTPError, PrefectException) as error:
        raise MachineError(Problem(str(api), f"was not told what a farm is: {error}")) from error
    _say(f"deployed on {api}; {sentence}")


def _refuse_other_passwords() -> None:
    found = [name for name, value in os.environ.items() if name.upper() in SETTINGS and value]
    if found:
        kept = farm_home(Path.cwd()) / PASSWORD
        raise UsageError(
            *(Problem(name, "is set", f"the farm's password is the one in {kept}", f"unset {name}") for name in found)
        )


def _welcome(api: str, ui: str, home: Path, facts: Sequence[str]) -> str:
    said = "\n".join(facts)
    return f"""
The farm runs: {ui}
It asks once for the password that is in {_shown(home / PASSWORD)} (only you can read it).
{said}

In another terminal, in this folder:
{_elsewhere(api, home)}    .venv/bin/wan-render submit {DEMONSTRATION}
    .venv/bin/wan-render queue
    .venv/bin/prefect deployment run 'batch/overnight' --watch
    .venv/bin/prefect deployment schedule ls 'batch/overnight'

From another folder: export PREFECT_PROFILES_PATH={shlex.quote(str(home / PROFILES))}

Ctrl-C stops it all; finished takes are kept. `wan-render farm stop` lets takes end first. docs/operations.md has the
rest.
"""


def _elsewhere(api: str, home: Path) -> str:
    """What a `prefect` command needs besides where not all is as prefect.toml says."""
    exports = {}
    if api != _configured():
        exports["PREFECT_API_URL"] = api
    if home != Path.cwd() / ".farm":
        exports["PREFECT_PROFILES_PATH"] = str(home / PROFILES)
    lines = [f"    export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
    if os.environ.get("PREFECT_PROFILE"):
        lines.append("    unset PREFECT_PROFILE\n")
    return "".join(lines)


def _shown(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


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
