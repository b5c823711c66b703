"""Keys and passwords are taken out of every text, also of those that are shortened."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest

from wan_render import known_secrets
from wan_render.bounded_http import HttpError
from wan_render.errors import Problem, UsageError
from wan_render.known_secrets import (
    remember_address,
    remember_password,
    remember_secret,
    remember_webhook,
    without_secrets,
)
from wan_render.printable import PrintableFormatter, PrintableStream, logger, one_line, printable, shortened, shown
from wan_render.settings import machine_settings

KEY = "sk-a-key-of-tests-0123456789"


@pytest.fixture(autouse=True)
def _forgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins with no secret, and leaves none."""
    monkeypatch.setattr(known_secrets, "_remembered", set())
    known_secrets._known.cache_clear()
    yield
    known_secrets._known.cache_clear()


def test_a_secret_is_in_no_text() -> None:
    remember_secret(KEY)
    texts = [printable(f"a\n{KEY}"), one_line(KEY), shown(f"{'x' * 50}{KEY}"), shortened(f"{'x' * 90}{KEY}", 100)]
    texts += [str(Problem(KEY, KEY, KEY, KEY)), str(HttpError("answers 401", 401, f"{'x' * 290}{KEY}".encode()))]
    assert [text for text in texts if KEY[:8] in text] == []
    assert texts[0] == "a\n***"


def test_a_secret_is_in_no_log_and_in_no_traceback() -> None:
    remember_secret(KEY)
    output = io.StringIO()
    for name, form in (("wan_render.secrets_test", logging.Formatter()), ("foreign", PrintableFormatter())):
        log = logger(name) if name.startswith("wan_render") else logging.getLogger(name)
        handler = logging.StreamHandler(output)
        handler.setFormatter(form)
        log.addHandler(handler)
        try:
            raise RuntimeError({"Authorization": f"Bearer {KEY}"})
        except RuntimeError:
            log.exception("sent %s", KEY)
        log.removeHandler(handler)
    PrintableStream(output).write(KEY)
    assert output.getvalue().count("'Bearer ***'") == 2
    assert KEY not in output.getvalue()


def test_short_words_stay() -> None:
    for word in ("", "secret"):
        remember_secret(word)
        remember_password(word)
    assert without_secrets("no secret is lost") == "no secret is lost"


def test_a_password_is_not_shown_as_a_header_either() -> None:
    remember_password("admin:a-long-password")
    header = base64.b64encode(b"admin:a-long-password").decode()
    assert without_secrets(f"Basic {header}, a-long-password") == "Basic ***, ***"


def test_addresses_keep_their_host() -> None:
    remember_address("https://me:p%40ssword-1@host/simple")
    remember_address("https://[no address")
    remember_webhook("https://hooks.example.com/services/T0/B1/abcdef")
    assert without_secrets("https://me:p%40ssword-1@host/simple: p@ssword-1") == "https://***@host/simple: ***"
    assert without_secrets("https://hooks.example.com/services/T0/B1/abcdef") == "https://hooks.example.com***"


def test_the_longest_goes_first() -> None:
    remember_secret("abcdefgh")
    remember_secret("abcdefgh-and-more")
    assert without_secrets("abcdefgh-and-more") == "***"


def test_settings_are_remembered_when_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("wan_render_llm_key", KEY)  # in any case
    monkeypatch.setenv("WAN_RENDER_NOTIFY", "slack-webhook/mine, https://host.example/hook/0123456789")
    machine_settings()
    assert without_secrets(f"{KEY} slack-webhook/mine host.example/hook/0123456789") == (
        "*** slack-webhook/mine host.example***"
    )


@pytest.mark.parametrize("name", ["PACKAGE_INDEX", "LLM_URL", "DASHSCOPE_URL", "COMFYUI"])
def test_a_password_in_any_address_of_the_settings_is_shown_nowhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WAN_RENDER_{name}", "https://studio:a-long-password@host.example:8188/v1")
    with suppress(UsageError):
        machine_settings()
    assert printable("to a-long-password@host") == "to ***@host"


@pytest.mark.parametrize("address", [f"https://host.example/v1?mode=verify-full&key={KEY}", KEY])
@pytest.mark.parametrize("name", ["PACKAGE_INDEX", "LLM_URL", "DASHSCOPE_URL", "COMFYUI"])
def test_a_key_in_place_of_an_address_or_in_its_query_is_shown_nowhere(
    name: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"WAN_RENDER_{name}", address)
    with suppress(UsageError):
        machine_settings()
    assert KEY not in printable(f"{address} and {KEY}")
    assert printable("verify-full") == "verify-full"


@pytest.mark.parametrize("name", ["HUGGING_FACE_HUB_TOKEN", "RAY_AUTH_TOKEN"])
def test_a_token_of_a_library_is_shown_nowhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, KEY)
    assert printable(f"sent {KEY}") == "sent ***"
