"""How this machine reaches the service: its address, its region, and the key. The key is never in a file of ours."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from urllib.parse import urlsplit

from wan_render.backends.dashscope.system_keyring import COMMAND, is_installed, keyring_answer
from wan_render.bounded_http import allowed_host, unfit_base
from wan_render.errors import Problem, UsageError
from wan_render.known_secrets import remember_secret
from wan_render.settings import MachineSettings, install_command

KEY_VARIABLE = "DASHSCOPE_API_KEY"
URL_SETTING = "WAN_RENDER_DASHSCOPE_URL"

BEIJING = "https://dashscope.aliyuncs.com/api/v1"
_REGIONS = {"dashscope.aliyuncs.com": "cn-beijing", "dashscope-intl.aliyuncs.com": "ap-southeast-1"}
_WORKSPACE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(cn-beijing|ap-southeast-1|us-east-1|cn-hongkong)\.maas\.aliyuncs\.com"
)

SERVICE_HOSTS = ("aliyuncs.com",)
"""Where the service's addresses and its finished videos are."""


def service_url(settings: MachineSettings) -> str:
    """The address of the service, without a slash at its end. Raises UsageError, which does not show a wrong one: it
    may be a key in the wrong place."""
    url = (settings.dashscope_url or BEIJING).rstrip("/")
    if (fault := unfit_base(url)) is not None:
        allowed = f"an https address like {BEIJING}"
        raise UsageError(Problem(URL_SETTING, fault, allowed, "correct or unset it"))
    return url


def region_of(url: str) -> str:
    """The region of an address, which decides about prices. Of another host, its name; of one on this machine, which
    stands in for the service in tests, Beijing."""
    host = urlsplit(url).hostname or ""
    if (match := _WORKSPACE.fullmatch(host)) is not None:
        return match[1]
    if urlsplit(url).scheme == "http":
        return "cn-beijing"
    return _REGIONS.get(host, host)


def is_service(url: str, settings: MachineSettings) -> bool:
    """Whether a key may be sent to an address: it is the machine's own, or one of the service's."""
    return url == service_url(settings) or allowed_host(url, SERVICE_HOSTS)


def video_hosts(settings: MachineSettings) -> tuple[str, ...]:
    """The hosts from which a video is fetched."""
    return settings.cloud_hosts or SERVICE_HOSTS


def service_key() -> str | None:
    """The key, from the environment or the system's keyring; None without one. Raises UsageError for one that cannot
    be a key, without showing it."""
    named = (KEY_VARIABLE, os.environ.get(KEY_VARIABLE, "").strip())
    where, key = named if named[1] else ("the system's keyring", keyring_answer().key.strip())
    remember_secret(key)
    if key and not re.fullmatch(r"[!-~]{1,512}", key):
        found = "has blanks or characters that no key has"
        raise UsageError(Problem(where, found, "letters, digits and signs of ASCII", "copy the key again"))
    return key or None


def lacking() -> Problem | None:
    """What this machine lacks to ask the service; None if nothing."""
    if find_spec("httpx") is None:
        return Problem("backend dashscope", "httpx is not installed", remedy=install_command("cloud"))
    try:
        key = service_key()
    except UsageError as error:
        return error.problems[0]
    if key is not None:
        return None
    if fault := keyring_answer().fault:
        remedy = f"unlock or repair it and begin again, or set {KEY_VARIABLE}"
        return Problem("backend dashscope", f"no {KEY_VARIABLE}, and the system's keyring {fault}", remedy=remedy)
    remedy = f"set {KEY_VARIABLE}, or: {'' if is_installed() else 'pip install keyring; '}{COMMAND}"
    return Problem("backend dashscope", "this machine has no key of the service", f"{KEY_VARIABLE}", remedy)
