"""Keyrings of tests, as the package `keyring` has them: `PYTHON_KEYRING_BACKEND` names one of these classes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class FileKeyring(KeyringBackend):
    """Passwords in the file that KEYRING_FILE names."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # its package gives it no types

    def get_password(self, service: str, username: str) -> str | None:
        found = self._read().get(f"{service} {username}")
        return None if found is None else str(found)

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file.write_text(json.dumps({**self._read(), f"{service} {username}": password}))

    def _read(self) -> dict[str, str]:
        return dict(json.loads(self._file.read_text())) if self._file.exists() else {}

    @property
    def _file(self) -> Path:
        return Path(os.environ["KEYRING_FILE"])


class LockedKeyring(FileKeyring):
    """Nobody unlocks it."""

    def get_password(self, service: str, username: str) -> str | None:
        del service, username
        raise KeyringLocked("Failed to unlock the collection!")


class BrokenKeyring(FileKeyring):
    """Its service is gone."""

    def get_password(self, service: str, username: str) -> str | None:
        del service, username
        raise OSError(111, "Connection refused")


class WaitingKeyring(FileKeyring):
    """It waits for somebody to type its password."""

    def get_password(self, service: str, username: str) -> str | None:
        del service, username
        time.sleep(30)
        return None
