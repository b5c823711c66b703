"""Every argument of every command with absurd values: each is refused with a message, never with a traceback."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, suppress
from pathlib import Path

import pytest

from tests.conftest import AsNobody
from wan_render.cli import main
from wan_render.printable import shown

VALUES = (
    *("", " ", ".", "..", "/", "-", "~", "*", ",", "%s", "\\", "'", "🦌"),
    *("x" * 300, "x/" * 2500, "x" * 5000, "a\0b", "\udc80", "a\nb", "\x1b[2J", "\u202e"),
    *("/dev/null", "/proc/self/nothing", "/proc/nowhere/a/b", "a file", "a file/x", "pipe", "loop", "dangling"),
    *("1", "-1", "0", "1e9", "9" * 5000, "٣", "nan", "1/010,,", "1/010/2", "2@", "2@zz", "0@abcdef", "1@abcdef"),
)
PREVIEW = ("--backend", "animatic")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("new", "VALUE"),
    ("new", "a-new-folder", "--from", "VALUE"),
    ("check", "VALUE"),
    ("check", "FILE", "--allow", "VALUE"),
    ("check", "FILE", "--backend", "VALUE"),
    ("plan", "FILE", "--outputs", "VALUE", *PREVIEW),
    ("render", "VALUE"),
    ("render", "FILE", "--only", "no shot", "--outputs", "VALUE", *PREVIEW),
    ("render", "FILE", "--only", "VALUE", "--outputs", "a file", *PREVIEW),
    ("render", "FILE", "--retake", "VALUE", "--outputs", "a file", *PREVIEW),
    ("night", "VALUE", "--outputs", "a file", *PREVIEW),
    *(("night", "FILE", option, "VALUE", "--outputs", "a file", *PREVIEW) for option in ("--start", "--timezone")),
    ("takes", "FILE", "VALUE", *PREVIEW),
    ("takes", "FILE", "1/010", "--circle", "VALUE"),
    ("takes", "FILE", "1/010", "--ng", "VALUE"),
    ("qc", "VALUE"),
    ("qc", "FILE", "--first", "VALUE"),
    ("prune", "FILE", "--keep", "VALUE"),
    ("open", "FILE", "--outputs", "VALUE"),
    ("models", "VALUE"),
    ("models", "pull", "VALUE"),
    ("VALUE",),
)
MOST_CHARACTERS = 7000


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_value_of_an_argument_causes_a_traceback(
    command: tuple[str, ...],
    harbour: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text = harbour.read_bytes()
    for number, value in enumerate(VALUES):
        place = tmp_path / f"{number}"
        place.mkdir()
        monkeypatch.chdir(place)
        furnish(place)
        words = [str(harbour) if word == "FILE" else value if word == "VALUE" else word for word in command]
        code = exit_code(words)
        printed = capsys.readouterr()
        assert code in (0, 2), (shown(value), printed.err)
        assert "Traceback" not in printed.err, shown(value)
        assert "a defect" not in printed.err, shown(value)
        assert len(printed.err) < MOST_CHARACTERS
        harbour.write_bytes(text)


def furnish(folder: Path) -> None:
    (folder / "a file").touch()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("/proc/nowhere/x")


def exit_code(words: list[str]) -> object:
    with suppress(SystemExit):
        return main(words)
    return 2  # argparse's, after its message


@pytest.mark.parametrize(
    ("folder", "said"),
    [("/nowhere", "--allow '/nowhere': does not exist"), ("harbour.yaml", "--allow 'harbour.yaml': is not a folder")],
)
def test_allow_needs_a_folder(
    folder: str, said: str, harbour: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(harbour.parent)
    assert main(["check", str(harbour), "--allow", folder, "--allow", str(harbour.parent)]) == 2
    assert capsys.readouterr().err == f"{said}; a folder\n"


@pytest.mark.parametrize("name", ["a\x1b[2J\nb", "x" * 255, "\u202e…", 'it\'s "quoted" {title}'])
def test_a_new_film_of_any_name_renders_without_changes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["new", name]) == 0, capsys.readouterr().err
    assert main(["check", str(Path(name) / "storyboard.yaml")]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("variable", ["OUTPUTS", "WEIGHTS", "CACHE", "FFMPEG"])
def test_a_variable_that_is_not_a_possible_path_is_refused(
    variable: str, harbour: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"WAN_RENDER_{variable}", "x" * 5000)
    for command in (["doctor"], ["models"], ["check", str(harbour)], ["plan", str(harbour)]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"WAN_RENDER_{variable}: invalid value '{'x' * 60}…'; a path (File name too long)")


def test_a_folder_without_write_permission_is_reported(open_folder: Path, as_nobody: AsNobody) -> None:
    def check() -> None:
        open_folder.joinpath("locked").mkdir(mode=0o500)
        said = io.StringIO()
        with redirect_stderr(said):
            code = main(["new", str(open_folder / "locked" / "film")])
        assert (code, "cannot be created (Permission denied)" in said.getvalue()) == (2, True), said.getvalue()

    main(["new", str(open_folder / "before")])  # imports what another user could not
    as_nobody(check)
