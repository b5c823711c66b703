"""A client of the farm's server for commands in a terminal. It finds the server as `prefect` commands do: by the
environment, by prefect.toml in the working folder, or by a profile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import get_current_settings

from flows.farm_home.farm_lock import FarmPart, processes_of
from flows.farm_home.home import LOCK, LOOPBACK, names_another_server, password, runs
from wan_render.errors import MachineError, Problem
from wan_render.printable import path_name

FARM = "the farm"
START = "start it in wan-render's folder, and leave it running: make farm"
ELSEWHERE = f"{START}. From another folder, set PREFECT_PROFILES_PATH as make farm says"
REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


@contextmanager
def farm_client() -> Iterator[SyncPrefectClient]:
    """A client while the context lasts. Raises MachineError if no farm is known or runs, and if its server is away or
    refuses."""
    settings = get_current_settings()
    api = settings.api.url
    if not api:
        raise MachineError(Problem(FARM, "is not known in this folder", remedy=ELSEWHERE))
    is_local = urlsplit(api).hostname in LOOPBACK
    if is_local:
        _refuse_stopped(settings.profiles_path.parent)
    secret = settings.api.auth_string
    past_proxies = {"trust_env": False} if is_local else {}  # a proxy would read the password
    try:
        with SyncPrefectClient(
            api, auth_string=None if secret is None else secret.get_secret_value(), httpx_settings=past_proxies
        ) as client:
            yield client
    except ObjectNotFound as error:
        unknown = f"the server at {api} doesn't know {_asked_for(error)}"
        raise MachineError(Problem(FARM, unknown, remedy="wan-render farm up --deploy tells it")) from error
    except httpx.HTTPStatusError as error:
        raise MachineError(_refusal(api, error)) from error
    except httpx.ConnectError as error:
        raise MachineError(Problem(FARM, f"isn't running: nothing listens at {api}", remedy=START)) from error
    except (httpx.HTTPError, PrefectException) as error:
        raise MachineError(Problem(FARM, f"doesn't answer at {api}: {error}", remedy=START)) from error


def _asked_for(error: ObjectNotFound) -> str:
    """The path of the address that the server doesn't know; the error itself says nothing."""
    return error.http_exc.request.url.path if isinstance(error.http_exc, httpx.HTTPStatusError) else str(error)


def _refuse_stopped(home: Path) -> None:
    """While a farm is off, anybody on this machine could listen on its port and receive the password. A folder in which
    a farm ran once may work for a server elsewhere by now: its password is another one, or a worker has a tunnel."""
    try:
        is_off = (home / LOCK).exists() and not runs(home) and not processes_of(home, FarmPart.WORKER)
        if is_off and names_another_server(password(home)):
            return
    except OSError as error:
        raise MachineError(Problem(FARM, f"{path_name(home)} cannot be read: {error.strerror}")) from error
    if is_off:
        raise MachineError(Problem(FARM, f"isn't running; its folder is {path_name(home)}", remedy=START))


def _refusal(api: str, error: httpx.HTTPStatusError) -> Problem:
    status = error.response.status_code
    if status in REFUSED:
        return Problem(FARM, f"the server at {api} refuses the password", remedy=ELSEWHERE)
    return Problem(FARM, f"the server at {api} answered {status}: {error.response.text}")
