"""A PostgreSQL server of its own, from the machine's programs (Debian's package `postgresql`)."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEBIAN = "/usr/lib/postgresql"


@contextmanager
def postgresql(port: int) -> Iterator[str]:
    """The address of an empty database, as Prefect takes it. Skips the test if PostgreSQL isn't installed."""
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="wan-render-postgresql-", dir="/tmp") as folder:
        user = _owner(folder)
        password, secret = secrets.token_hex(16), Path(folder, "secret")
        secret.write_text(password, encoding="utf-8")
        secret.chmod(0o644)  # the folder is closed
        data = f"{folder}/data"

        def run(program: str, *arguments: str) -> None:
            done = subprocess.run([programs / program, *arguments], user=user, cwd=folder, capture_output=True)
            assert done.returncode == 0, done.stderr.decode()

        run("initdb", "-D", data, "-U", "farm", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        run("pg_ctl", "-D", data, "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            yield f"postgresql+asyncpg://farm:{password}@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def _programs() -> Path:
    versions = sorted(Path(DEBIAN).glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    found = shutil.which("initdb") or (versions[-1] if versions else None)
    if found is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found).parent


def _owner(folder: str) -> int | None:
    """PostgreSQL refuses to run as root: then it runs as its own user."""
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam("postgres").pw_uid
    except KeyError:
        pytest.skip("root can't run PostgreSQL, and there is no user postgres")
    os.chown(folder, user, -1)
    return user
