"""The service's key in the system's keyring: what is said of one that is locked, broken, silent, or not there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from tests.backends.dashscope.keyrings import BrokenKeyring, FileKeyring, LockedKeyring, WaitingKeyring
from wan_render.backends.dashscope import system_keyring
from wan_render.backends.dashscope.service_access import lacking, service_key
from wan_render.errors import UsageError

KEY = "sk-of-a-keyring-0123456789"
NO_KEYRING: KeyringBackend = NoKeyring()  # type: ignore[no-untyped-call]  # its package gives it no types


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """One without a key in its environment; its keyring is the one that a test sets."""
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    monkeypatch.setenv("KEYRING_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setattr(system_keyring, "ANSWER_SECONDS", 0.2)
    before = keyring.get_keyring()
    system_keyring.keyring_answer.cache_clear()
    yield
    keyring.set_keyring(before)
    system_keyring.keyring_answer.cache_clear()


def test_a_key_of_the_keyring_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(FileKeyring())
    keyring.set_password(*system_keyring.KEYRING_NAME, KEY)
    assert (service_key(), lacking()) == (KEY, None)
    assert KEY not in repr(system_keyring.keyring_answer())
    keyring.set_keyring(LockedKeyring())
    assert service_key() == KEY
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-of-the-environment")
    assert service_key() == "sk-of-the-environment"


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        (LockedKeyring(), "keyring is locked: KeyringLocked (Failed to unlock the collection!); unlock or repair it"),
        (BrokenKeyring(), "keyring cannot be read: ConnectionRefusedError ([Errno 111] Connection refused); unlock"),
        (WaitingKeyring(), "keyring did not answer within 0.2 s: it may be waiting for its password; unlock"),
        (FileKeyring(), "has no key of the service; DASHSCOPE_API_KEY; set DASHSCOPE_API_KEY, or: keyring set wan-"),
        (NO_KEYRING, "has no key of the service; DASHSCOPE_API_KEY; set DASHSCOPE_API_KEY, or: keyring set wan-"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, KeyringBackend) else "",
)
def test_a_keyring_without_a_key(backend: KeyringBackend, said: str) -> None:
    keyring.set_keyring(backend)
    assert service_key() is None
    assert said in str(lacking())


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert service_key() is None
    assert "or: pip install keyring; keyring set wan-render dashscope" in str(lacking())


def test_a_key_that_is_none_is_not_shown() -> None:
    keyring.set_keyring(FileKeyring())
    keyring.set_password(*system_keyring.KEYRING_NAME, "sk two words")
    with pytest.raises(UsageError, match="the system's keyring: has blanks or characters that no key has") as caught:
        service_key()
    assert "two words" not in str(caught.value) + str(lacking())
