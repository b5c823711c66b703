"""A farm's folder and its password, without a server."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.farm_home.home import (
    LOCK,
    PASSWORD,
    PROFILES,
    WAS_OPEN,
    close,
    hand_to_prefect,
    new_password,
    open_to_others,
    password,
    refuse_closed,
    safe_password,
)
from flows.serving.listening import listen
from flows.upkeep.service import over
from tests.flows.conftest import environment
from tests.flows.other_user import NOBODY, as_user
from tests.flows.project import PROJECT
from tests.ports import free_port
from wan_render.errors import MachineError

pytestmark = pytest.mark.prefect


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A closed one with a password."""
    home = tmp_path / "farm"
    close(home)
    hand_to_prefect(home, new_password(home))
    return home


def test_all_of_it_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        close(tmp_path / "farm")
        hand_to_prefect(tmp_path / "farm", new_password(tmp_path / "farm"))
    finally:
        os.umask(before)
    assert list(open_to_others(tmp_path / "farm")) == []
    assert {_mode(tmp_path / "farm" / name) for name in (PASSWORD, PROFILES)} == {0o600}
    assert _mode(tmp_path / "farm") == 0o700


def _refusal(look: Callable[[Path], object], home: Path) -> str:
    try:
        look(home)
    except MachineError as error:
        return str(error)
    return ""


def test_another_user_hears_whose_farm_it_is() -> None:
    if os.geteuid() != 0:
        pytest.skip("not run: only root can become another user")

    def refusals(home: Path) -> list[str]:
        return [_refusal(refuse_closed, home), _refusal(password, home)]

    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        home = Path(open_to_all, "farm")
        Path(open_to_all).chmod(0o755)
        assert as_user(NOBODY, lambda: refusals(home)) == ["", ""], "there is none"
        close(home)
        said, of_its_password = as_user(NOBODY, lambda: refusals(home))
    found = f"the user is nobody, and {home} belongs to root, mode 0700"
    assert said.startswith(f"{home}: no permission to read: {found}; ")
    assert said.endswith("; name another one in PREFECT_HOME")
    assert of_its_password == said


def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "farm", tmp_path / "films"
    (home / "logs").mkdir(parents=True, mode=0o755)
    elsewhere.mkdir()
    elsewhere.chmod(0o755)
    for name in ("prefect.db", "logs/server.log"):
        (home / name).touch()
        (home / name).chmod(0o664)
    (home / "link").symlink_to(elsewhere)
    home.chmod(0o755)
    assert close(home) == (".", "logs", "logs/server.log", "prefect.db")
    assert list(open_to_others(home)) == []
    assert _mode(home / "prefect.db") == 0o600
    assert _mode(elsewhere) == 0o755, "what a link leads to is not the farm's"


def test_two_passwords_are_never_the_same(home: Path) -> None:
    first = password(home)
    assert first is not None
    assert len(first) > 60
    assert new_password(home) != first


def test_other_profiles_of_the_folder_stay(home: Path) -> None:
    with (home / PROFILES).open("a") as file:
        file.write('\n[profiles.mine]\nPREFECT_API_URL = "http://127.0.0.1:4300/api"\nPREFECT_DEBUG_MODE = "a\\"b"\n')
    hand_to_prefect(home, "admin:another-password", "http://127.0.0.1:4200/api")
    profiles = tomllib.loads((home / PROFILES).read_text())
    assert profiles["active"] == "wan-render"
    assert profiles["profiles"]["mine"] == {"PREFECT_API_URL": "http://127.0.0.1:4300/api", "PREFECT_DEBUG_MODE": 'a"b'}
    assert profiles["profiles"]["wan-render"] == {
        "PREFECT_API_AUTH_STRING": "admin:another-password",
        "PREFECT_SERVER_API_AUTH_STRING": "admin:another-password",
        "PREFECT_API_URL": "http://127.0.0.1:4200/api",
    }


@pytest.mark.parametrize(
    "written", ["", "\n", "short", "two words of enough characters", "pässwörter-mit-umlauten", "a" * 20 + "\nb"]
)
def test_what_cannot_be_a_password_is_refused(home: Path, written: str) -> None:
    (home / PASSWORD).write_text(written, encoding="utf-8")
    with pytest.raises(MachineError, match="is no password; it is one line of at least 16"):
        password(home)


def test_one_that_somebody_chose_is_taken(home: Path) -> None:
    (home / PASSWORD).write_text("studio:a-password-of-our-own\r\n")
    assert password(home) == "studio:a-password-of-our-own"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "farm").mkdir()
    os.chown(tmp_path / "farm", 65534, 65534)
    with pytest.raises(MachineError, match="belongs to user 65534"):
        close(tmp_path / "farm")


def test_what_others_could_replace_is_not_trusted(home: Path) -> None:
    before = password(home)
    (home / PROFILES).write_text('[profiles.wan-render]\nPREFECT_LOGGING_SETTINGS_PATH = "/tmp/theirs.yml"\n')
    home.chmod(0o775)
    after, said = safe_password(home)
    hand_to_prefect(home, after)
    assert after not in {None, before}
    assert said == (
        f"other users could open {home}; it is closed now",
        "they could read or replace its password: a new one was made",
    )
    assert "theirs" not in (home / PROFILES).read_text()
    assert (home / WAS_OPEN).is_file(), "what they left in the server is turned off at the next start"


def test_a_password_that_nobody_could_read_or_replace_stays(home: Path) -> None:
    before = password(home)
    home.chmod(0o755)
    assert safe_password(home) == (before, (f"other users could open {home}; it is closed now",))
    assert safe_password(home) == (before, ())


@pytest.mark.parametrize("name", [PASSWORD, PROFILES])
def test_a_pipe_is_not_waited_for(home: Path, name: str) -> None:
    (home / name).unlink()
    os.mkfifo(home / name, 0o600)
    if name == PASSWORD:
        with pytest.raises(MachineError, match="is no file; make a new one"):
            password(home)
    hand_to_prefect(home, new_password(home))
    assert (home / name).is_file()


def test_a_lock_that_leads_elsewhere_empties_nothing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    (home / LOCK).symlink_to(tmp_path / "mine")
    done = farm_up(home, "--new-password")
    assert (done.returncode, (tmp_path / "mine").read_text()) == (3, "kept")
    assert "cannot be a farm's folder" in done.stderr


def test_nobody_else_gets_the_port_of_a_server_that_is_not_there_yet() -> None:
    held = listen(port := free_port())
    try:
        with pytest.raises(OSError, match="in use"):
            listen(port)
    finally:
        for each in held:
            each.close()
    assert {each.family for each in held} >= {socket.AF_INET}


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_who_has_the_other_address_of_localhost_is_noticed() -> None:
    with (
        socket.create_server(("::1", free_port()), family=socket.AF_INET6) as other,
        pytest.raises(OSError, match="in use"),
    ):
        listen(other.getsockname()[1])


def test_a_variable_of_another_spelling_does_not_win() -> None:
    ours = {"PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true"}
    others = {"prefect_server_api_csrf_protection_enabled": "false", "HOME": "/home/me"}
    assert over(ours, others) == {**ours, "HOME": "/home/me"}


@pytest.mark.parametrize("port", ["99999", "x", "-1"])
def test_an_address_without_a_port_that_exists_is_refused_in_words(home: Path, port: str) -> None:
    done = farm_up(home, PREFECT_API_URL=f"http://127.0.0.1:{port}/api")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"PREFECT_API_URL: http://127.0.0.1:{port}/api is no address: Port ")


def test_a_new_password_is_made_on_request_and_not_said(home: Path) -> None:
    before = password(home)
    done = farm_up(home, "--new-password")
    assert done.returncode == 0, done.stderr
    after = password(home)
    assert after not in {None, before}
    assert str(after) not in done.stdout + done.stderr
    assert str(home / PASSWORD) in done.stdout
    assert tomllib.loads((home / PROFILES).read_text())["profiles"]["wan-render"]["PREFECT_API_AUTH_STRING"] == after


@pytest.mark.parametrize("name", ["PREFECT_API_AUTH_STRING", "prefect_api_auth_string"])
def test_a_password_in_the_environment_would_be_another_one(home: Path, name: str) -> None:
    done = farm_up(home, **{name: "admin:elsewhere"})
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: is set; the farm's password is the one in ")
    assert "elsewhere" not in done.stderr


def test_prefect_does_not_show_the_password(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "config", "view"],
        cwd=PROJECT,
        env=environment(home.parent, 1),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PREFECT_API_AUTH_STRING='********' (from profile)" in done.stdout
    assert str(password(home)) not in done.stdout


def farm_up(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.farm", *arguments],
        cwd=PROJECT,
        env={**environment(home.parent, 1), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
