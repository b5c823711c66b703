"""What `wan-render doctor` says of the farm of this folder. It needs no prefect, which may not be installed."""

from __future__ import annotations

import base64
import json
import os
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flows.deployments.pool import POOL, is_ours
from flows.farm_home.home import (
    LOOPBACK,
    PASSWORD,
    PROFILES,
    SETTINGS,
    farm_home,
    names_another_server,
    open_to_others,
    password,
    runs,
)
from wan_render.diagnosis import Finding, installed
from wan_render.errors import WanRenderError

PACKAGES = ("prefect", "fastapi")
"""Of the extra 'farm'."""

SECONDS = 3.0
"""So long a server that is there takes at most to answer."""

AS_ITS_USER = "run doctor as the farm's user"
MAKES = "make farm makes one"
CLOSES = "make farm closes it; stop the one that runs first"
AGAIN = "stop the farm and start it again: make farm"
ELSEWHERE = "http://a-page-elsewhere.example"


def findings(folder: Path) -> Iterator[Finding]:
    """Whether the packages are here, and the farm of a folder is closed to all but its owner: its files, its password,
    its server, its pool."""
    yield installed("farm", PACKAGES)
    if not (folder / "prefect.toml").is_file():
        return  # no folder of wan-render's: nothing runs here
    home = farm_home(folder)
    if not home.is_dir():
        yield Finding("farm", f"no farm here yet; {MAKES}")
        return
    yield _folder(home)
    try:
        secret = password(home)
        yield _password(home, secret)
    except WanRenderError as error:
        problem = error.problems[0]
        yield Finding("farm's password", f"{problem.where}: {problem.found}", problem.remedy)
        secret = None
    yield from _server(home, _api(folder), secret)


def _folder(home: Path) -> Finding:
    try:
        opened = sorted(open_to_others(home))
    except OSError as error:
        return Finding("farm", f"{home}: {error.strerror}", AS_ITS_USER)
    if "." in opened:
        return Finding("farm", f"other users can open {home}, and {len(opened) - 1} of its files", CLOSES)
    return Finding("farm", f"{home}, its owner's alone")


def _password(home: Path, secret: str | None) -> Finding:
    try:
        profiles: Mapping[str, Any] = tomllib.loads((home / PROFILES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        profiles = {}
    handed = profiles.get("profiles", {}).get(profiles.get("active"), {}).get("PREFECT_API_AUTH_STRING")
    if secret is None and handed:
        return Finding("farm's password", f"in {home / PROFILES}, of a server elsewhere")
    if secret is None:
        return Finding("farm's password", f"there is none in {home / PASSWORD}", MAKES)
    if handed != secret:
        return Finding("farm's password", f"{home / PROFILES}: `prefect` commands have another or none", AGAIN)
    return Finding("farm's password", f"in {home / PASSWORD}")


def _server(home: Path, api: str, secret: str | None) -> Iterator[Finding]:
    """Asked only while the farm runs, and on this machine: nobody else is to get the password."""
    if names_another_server(secret):
        yield Finding("farm's server", f"{SETTINGS[0]} is that of another one, {api}: it was not asked")
        return
    try:
        if not runs(home):
            yield Finding("farm's server", "does not run; make farm starts it")
            return
    except OSError as error:
        yield Finding("farm's server", f"it is not known whether it runs: {error}", AS_ITS_USER)
        return
    if urlsplit(api).scheme != "http" or urlsplit(api).hostname not in LOOPBACK:
        yield Finding("farm's server", f"PREFECT_API_URL names {api}, another one: it was not asked")
        return
    if _status(f"{api}/health") is None:
        yield Finding("farm's server", f"none answers at {api}", "set PREFECT_API_URL as make farm said")
        return
    refusals = {
        "without the password": _status(f"{api}/work_pools/{POOL}"),
        "with a wrong password": _status(f"{api}/work_pools/{POOL}", _authorization("admin:wrong")),
        "under another name": _status(f"{api}/health", {"Host": "a-name-elsewhere.example"}),
        "to a page elsewhere": _status(f"{api}/health", {"Origin": ELSEWHERE}),
    }
    answered = [how for how, status in refusals.items() if status is None or status < 400]
    if answered:
        yield Finding("farm's server", f"{api} answers {', '.join(answered)}", AGAIN)
    else:
        yield Finding("farm's server", f"{api} refuses requests {', '.join(refusals)}")
    if secret is not None:
        yield _pool(api, secret)


def _pool(api: str, secret: str) -> Finding:
    try:
        with _opened(f"{api}/work_pools/{POOL}", _authorization(secret)) as answer:
            template = json.load(answer)["base_job_template"]
    except urllib.error.HTTPError as error:
        found = "it refuses the farm's password" if error.code in {401, 403} else f"it answers {error.code}"
        return Finding("farm's work pool", found, AGAIN)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Finding("farm's work pool", f"it cannot be read: {error}", AGAIN)
    if not is_ours(template):
        return Finding("farm's work pool", "a run can say itself what the worker starts", AGAIN)
    return Finding("farm's work pool", f"runs start in {template['job_configuration']['working_dir']}, nothing else")


def _api(folder: Path) -> str:
    if address := os.environ.get("PREFECT_API_URL"):
        return address.rstrip("/")
    with (folder / "prefect.toml").open("rb") as file:
        return str(tomllib.load(file).get("api", {}).get("url", "")).rstrip("/")


def _authorization(secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode('ascii')}"}


def _status(url: str, headers: Mapping[str, str] | None = None) -> int | None:
    """The status of an answer; None where there is none."""
    try:
        with _opened(url, headers or {}) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return None


def _opened(url: str, headers: Mapping[str, str]) -> Any:
    """By no proxy: it would read the password."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=SECONDS)  # noqa: S310 - http only
