"""The keys and passwords that this process knows, so that no text of it shows them.

No code of ours writes a key anywhere. But a library's exception may carry the headers of a request, and then a defect's
traceback would show it. So whoever reads a secret remembers it here, and `printable` takes it out of every text.
"""

from __future__ import annotations

import base64
import os
from functools import cache, lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

KEY_VARIABLES = (
    "DASHSCOPE_API_KEY",
    "WAN_RENDER_LLM_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "RAY_AUTH_TOKEN",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_SERVER_API_AUTH_STRING",
)
"""Variables of the environment whose value is a secret, even if nobody has read it yet."""

ADDRESS_VARIABLES = (
    *("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"),
    *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"),
    *("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "WAN_RENDER_PACKAGE_INDEX"),
)
"""Variables whose value is an address, which may have a user and a password."""

SHORTEST = 8
"""Characters of a secret. A shorter one is part of so many words that taking it out would destroy texts."""

LIKE_A_KEY = 16
"""Characters of a value in a query that is a secret by itself. Shorter ones are words: `sslmode=verify-full`."""

INSTEAD = "***"

_remembered: set[str] = set()


def remember_secret(secret: str) -> None:
    """From now on, no text shows it. One of fewer than eight characters is not remembered."""
    if len(secret) >= SHORTEST and secret not in _remembered:
        _remembered.add(secret)
        _known.cache_clear()


def remember_password(text: str) -> None:
    """A password, or `user:password`: alone, whole, and as a request's header has it."""
    for each in (text, text.partition(":")[2], base64.b64encode(text.encode()).decode()):
        remember_secret(each)


def remember_address(url: str) -> None:
    """From now on, no text shows the user, the password and the query in an address. What has no host is no address,
    and may be a key in the wrong place."""
    if not set("./:") & set(url):
        remember_secret(url)
    for secret in _in_address(url):
        remember_secret(secret)


def remember_webhook(url: str) -> None:
    """From now on, no text shows what follows the host in a webhook's address: whoever knows it can post there."""
    remember_address(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    if parts.netloc:  # a notification block of Prefect's is named like a path
        remember_secret(parts._replace(scheme="", netloc="").geturl())


def without_secrets(text: str) -> str:
    """The text, with `***` in the place of each secret. Texts have to be shortened afterwards: half a secret is not
    found."""
    for secret in _known():
        if secret in text:
            text = text.replace(secret, INSTEAD)
    return text


@cache
def _known() -> tuple[str, ...]:
    """The longest first: one may be part of another. The environment is read once: every log line asks."""
    found = _remembered.copy()
    found.update(value for name in KEY_VARIABLES if len(value := os.environ.get(name, "")) >= SHORTEST)
    for name in ADDRESS_VARIABLES:
        found.update(_in_address(os.environ.get(name, "")))
    return tuple(sorted(found, key=len, reverse=True))


@lru_cache(maxsize=64)
def _in_address(url: str) -> frozenset[str]:
    """The user and the password in an address, as written and as sent, and what follows its path. None in what is no
    address."""
    try:
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        values = [value for _, value in parse_qsl(parts.query) if len(value) >= LIKE_A_KEY]
    except ValueError:
        return frozenset()
    sent = unquote(user)
    texts = (user, sent, user.partition(":")[2], sent.partition(":")[2], base64.b64encode(sent.encode()).decode())
    return frozenset(text for text in (*texts, parts.query, parts.fragment, *values) if len(text) >= SHORTEST)
