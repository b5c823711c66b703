"""Which outputs folders a farm's server serves, and under which addresses: `/outputs/<private>/<store>/…`.

The private part is random, made once for a farm, and kept in its folder. Browsers send a cookie to every port of a
host, so a program that listens on another port could collect the one that opens the files. That cookie is for this path
alone, which others don't know. No prefect here.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from pathlib import Path

from flows.farm_home.home import SERVED, write_private
from wan_render.errors import Problem, UsageError
from wan_render.printable import path_name, shown
from wan_render.store.outputs import is_store

PREFIX = "/outputs"

_FORM = 1
_PRIVATE_BYTES = 24
_NAME_DIGITS = 12


class ServedStores:
    """The stores of one farm. Safe in several threads of one server."""

    def __init__(self, home: Path) -> None:
        self._file = home / SERVED
        self._adding = threading.Lock()
        self._private, self._folders = _read(self._file)

    @property
    def path(self) -> str:
        """Where all of it is served, and nothing else."""
        return f"{PREFIX}/{self._private}/"

    def add(self, folder: str) -> str:
        """Serve a store from now on; its address, which stays the same. Raises UsageError where it is none here."""
        path = Path(folder)
        try:
            real = path.resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            real = None
        if real is None or not path.is_absolute() or not is_store(real):
            allowed = "the absolute path of an outputs folder on the farm's machine"
            raise UsageError(Problem(shown(path_name(path)), "is no store", allowed))
        name = hashlib.sha256(str(real).encode(errors="surrogateescape")).hexdigest()[:_NAME_DIGITS]
        with self._adding:
            if name not in self._folders:
                there = {each: known for each, known in self._folders.items() if known.is_dir()}
                self._folders = {**there, name: real}
                self._write()
        return f"{self.path}{name}/"

    def folder(self, name: str) -> Path | None:
        """The store that is called so in an address."""
        return self._folders.get(name)

    def _write(self) -> None:
        folders = {name: str(folder) for name, folder in self._folders.items()}
        write_private(self._file, json.dumps({"version": _FORM, "private": self._private, "stores": folders}, indent=1))


def _read(file: Path) -> tuple[str, dict[str, Path]]:
    """What was served before; a new private part where nothing was, or nobody can tell."""
    try:
        kept = json.loads(file.read_bytes())
        return str(kept["private"]), {str(name): Path(folder) for name, folder in kept["stores"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return secrets.token_urlsafe(_PRIVATE_BYTES), {}
