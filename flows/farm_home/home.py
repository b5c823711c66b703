"""A farm's folder, `.farm`: its owner's alone, with the password that its server asks for.

No prefect here: `wan-render doctor` looks at it, too.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wan_render.errors import MachineError, Problem
from wan_render.known_secrets import remember_password

CHECKOUT = Path(__file__).parents[2]
"""The folder that this package was imported from. A farm runs in its checkout."""

PASSWORD = "password"  # noqa: S105 - the name of its file
LOCK = "farm.lock"
"""One farm a folder: held until the last of its programs has gone."""

PROFILES = "profiles.toml"
"""Where Prefect finds the password: prefect.toml names this file, `PREFECT_PROFILES_PATH` another one."""

WAS_OPEN = "was-open"
"""An empty file: others may have used the server, and what they left in it was not turned off yet."""

SERVED = "served.json"
"""The outputs folders that the farm's server serves, and the part of their addresses that others don't know."""

PROFILE = "wan-render"
SETTINGS = ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING")
"""What a client sends, and what a server asks for."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""The hosts at which a farm's server may listen: this machine alone."""

ANOTHER_HOME = "name another one in PREFECT_HOME"
RENEW = "make a new one: .venv/bin/wan-render farm up --new-password"

SHORTEST = 16
"""Characters of a password that somebody chose; ours has 70, of 256 random bits."""


def farm_home(project: Path) -> Path:
    """The folder in which a farm of this project keeps everything."""
    return Path(os.environ.get("PREFECT_HOME") or project / ".farm").absolute()


def known_home() -> Path:
    """The folder of the farm that commands in the working folder mean: named by the environment, that of the working
    folder, or that of this checkout."""
    if not os.environ.get("PREFECT_HOME") and (profiles := os.environ.get("PREFECT_PROFILES_PATH")):
        return Path(profiles).absolute().parent
    return farm_home(Path.cwd() if Path("prefect.toml").exists() else CHECKOUT)


def look_in_checkout() -> None:
    """Unless the working folder or the environment says where the farm is, let Prefect look in this checkout. Must be
    called before Prefect is imported."""
    said = any(os.environ.get(name) for name in ("PREFECT_PROFILES_PATH", "PREFECT_API_URL", "PREFECT_HOME"))
    profiles = CHECKOUT / ".farm" / PROFILES
    if not (said or Path("prefect.toml").exists()) and os.access(profiles, os.R_OK):
        os.environ["PREFECT_PROFILES_PATH"] = str(profiles)


def refuse_closed(home: Path) -> None:
    """Raises MachineError if a farm's folder is there, and this user may not read it."""
    try:
        os.scandir(home).close()
    except PermissionError:
        raise closed(home) from None
    except OSError:
        return  # there is none


def closed(place: Path) -> MachineError:
    """What is said to a user who may not read the folder of somebody else's farm, or a file in it."""
    from wan_render.store.disk import user_name, whose  # it reads the settings, and `wan-render --help` starts fast

    found = f"no permission to read: the user is {user_name(os.geteuid())}, and {whose(place)}"
    return MachineError(Problem(str(place), found, "a farm is used by its owner alone", ANOTHER_HOME))


def own(home: Path) -> None:
    """Make the folder where there is none. Raises MachineError where it is another user's: not even a lock is written
    there, which could be a link to a file of ours."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_foreign(home)
    except OSError as error:
        raise useless(home, error) from error


def close(home: Path) -> tuple[str, ...]:
    """Make a folder that is there, or a new one, its owner's alone; what was open to others.

    Where they could write, they could replace any file: then the password goes, and the profiles, whose settings can
    name programs. Raises MachineError where the folder is another user's.
    """
    own(home)
    try:
        others_wrote = bool(stat.S_IMODE(home.stat().st_mode) & 0o022)
        opened = tuple(sorted(open_to_others(home)))
        home.chmod(0o700)
        for file in (home / name for name in opened if name != "."):
            file.chmod(stat.S_IMODE(file.lstat().st_mode) & 0o700)
        if others_wrote:
            for name in (PASSWORD, PROFILES):
                (home / name).unlink(missing_ok=True)
        if "." in opened:
            (home / SERVED).unlink(missing_ok=True)
        if "." in opened or not os.path.lexists(home / PASSWORD):
            (home / WAS_OPEN).unlink(missing_ok=True)  # it may be a link
            (home / WAS_OPEN).touch(mode=0o600)
    except OSError as error:
        raise useless(home, error) from error
    return opened


def safe_password(home: Path) -> tuple[str, tuple[str, ...]]:
    """Close the folder; its password, and what was done, in sentences. A new one is made where there is none, and where
    others could have read or replaced it. Raises MachineError where it cannot be one."""
    had = os.path.lexists(home / PASSWORD)
    opened = close(home)
    said = [f"other users could open {home}; it is closed now"] if "." in opened else []
    was_read = "." in opened and not {PASSWORD, PROFILES}.isdisjoint(opened)
    found = None if was_read else password(home)
    if found is None and had:
        said.append("they could read or replace its password: a new one was made")
    return found or new_password(home), tuple(said)


def runs(home: Path) -> bool:
    """Whether a farm, or one of its programs, holds the folder's lock."""
    try:
        with (home / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def open_to_others(home: Path) -> Iterator[str]:
    """What other users could read or change: `.` is the folder itself."""
    paths = [home]
    for folder, folders, files in os.walk(home):
        paths += [Path(folder, name) for name in (*folders, *files)]
    for path in paths:
        with suppress(FileNotFoundError):  # a running server makes and removes files
            mode = path.stat().st_mode if path == home else path.lstat().st_mode
            if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) & 0o077:
                yield str(path.relative_to(home))


def password(home: Path) -> str | None:
    """The farm's password; None where it has none yet. Raises MachineError where it cannot be one, and where the farm
    is another user's."""
    file = home / PASSWORD
    refuse_closed(home)
    if file.exists() and not file.is_file():
        raise MachineError(Problem(str(file), "is no file", remedy=RENEW))
    try:
        found = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MachineError(Problem(str(file), f"cannot be read: {error}", remedy=RENEW)) from error
    if not (found.isascii() and found.isprintable() and " " not in found and len(found) >= SHORTEST):
        allowed = f"it is one line of at least {SHORTEST} letters, digits and signs of ASCII, without spaces"
        raise MachineError(Problem(str(file), "is no password", allowed, RENEW))
    return _remembered(found)


def names_another_server(own: str | None) -> bool:
    """Whether the environment has the password of a server elsewhere. own: that of this folder's farm."""
    named = os.environ.get(SETTINGS[0])
    return bool(named) and named != own


def new_password(home: Path) -> str:
    """Make a password and keep it; the former one is worth nothing once the farm was started again."""
    made = f"admin:{secrets.token_hex(32)}"
    write_private(home / PASSWORD, f"{made}\n")
    return _remembered(made)


def _remembered(secret: str) -> str:
    """The password, which no text shows from now on."""
    remember_password(secret)
    return secret


def hand_to_prefect(home: Path, secret: str, api: str = "") -> None:
    """Write the profile from which `prefect` commands have the password, and those of other folders the server's
    address; other profiles stay."""
    file = home / PROFILES
    try:
        profiles = tomllib.loads(file.read_text(encoding="utf-8")).get("profiles", {}) if file.is_file() else {}
    except (FileNotFoundError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        profiles = {}
    profiles = {name: settings for name, settings in profiles.items() if isinstance(settings, dict)}
    ours = {**profiles.get(PROFILE, {}), **dict.fromkeys(SETTINGS, secret)} | ({"PREFECT_API_URL": api} if api else {})
    lines = [
        "# Written by `make farm`. The password is a copy of the one beside this file.",
        f"active = {_quoted(PROFILE)}",
    ]
    for name, settings in {**profiles, PROFILE: ours}.items():
        lines += ["", f"[profiles.{_quoted(name)}]", *(f"{key} = {_quoted(value)}" for key, value in settings.items())]
    write_private(file, "\n".join(lines) + "\n")


def _quoted(value: object) -> str:
    """A string of TOML; of Prefect's profiles every value can be one."""
    return json.dumps(str(value), ensure_ascii=False)


def useless(home: Path, error: OSError) -> MachineError:
    """What is said of a folder that no farm can have."""
    return MachineError(Problem(str(home), f"cannot be a farm's folder: {error.strerror}", remedy=ANOTHER_HOME))


def _refuse_foreign(home: Path) -> None:
    owner = home.stat().st_uid
    if owner != os.geteuid():
        found = f"belongs to user {owner}, who could read the password of its server"
        raise MachineError(Problem(str(home), found, "a farm's folder is your own", ANOTHER_HOME))


def write_private(file: Path, text: str) -> None:
    """Write a file of the farm, whole or not at all; at no moment can others read it, since mkstemp gives it 0600."""
    descriptor, beside = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(text)
        Path(beside).replace(file)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
