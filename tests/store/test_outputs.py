"""Which outputs folder is meant, and which is not walked into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wan_render.errors import UsageError
from wan_render.store import Store, outputs_for
from wan_render.store.outputs import MARKER

STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")


@pytest.fixture
def storyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In `project/films/a/`; the working folder is `elsewhere/`."""
    file = tmp_path / "project" / "films" / "a" / "film.yaml"
    file.parent.mkdir(parents=True)
    file.touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return file


def store_in(folder: Path) -> Path:
    Store(folder / "outputs").prepare()
    return folder / "outputs"


def give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, STRANGER, STRANGER)


def test_without_a_store_one_is_made_in_the_working_folder(storyboard: Path, tmp_path: Path) -> None:
    found = outputs_for(storyboard, None)
    assert (found.folder, found.is_new, found.passed_over) == (tmp_path / "elsewhere" / "outputs", True, ())


def test_a_store_is_found_upwards_from_the_storyboard_and_then_from_here(storyboard: Path, tmp_path: Path) -> None:
    above_here = store_in(tmp_path)
    assert outputs_for(storyboard, None).folder == above_here
    of_project = store_in(tmp_path / "project")
    assert outputs_for(storyboard, None).folder == of_project
    beside = store_in(storyboard.parent)
    found = outputs_for(storyboard, None)
    assert (found.folder, found.is_new) == (beside, False)
    assert outputs_for(storyboard, Path("night:22")).folder == tmp_path / "elsewhere" / "night:22"


def test_a_store_that_is_here_but_not_used_is_named(storyboard: Path, tmp_path: Path) -> None:
    used, here = store_in(tmp_path / "project"), store_in(tmp_path / "elsewhere")
    found = outputs_for(storyboard, None)
    assert found.folder == used
    assert [str(problem) for problem in found.passed_over] == [
        f"{here}: is a store as well, but {used} is used; to use it, name it: --outputs DIR, or WAN_RENDER_OUTPUTS"
    ]


def test_a_store_of_an_older_version_is_found_and_marked(storyboard: Path, tmp_path: Path) -> None:
    old = tmp_path / "project" / "outputs"
    for name in ("takes", "films"):
        (old / name).mkdir(parents=True)
    assert outputs_for(storyboard, None).folder == old
    Store(old).prepare()
    assert (old / MARKER).is_file()
    (old / "takes" / ".locks").rmdir()
    (old / "takes").rmdir()
    assert outputs_for(storyboard, None).folder == old


def test_an_empty_outputs_folder_is_no_store(storyboard: Path, tmp_path: Path) -> None:
    (tmp_path / "project" / "outputs").mkdir()
    assert outputs_for(storyboard, None).folder == tmp_path / "elsewhere" / "outputs"


def test_a_link_of_ones_own_leads_to_a_store(storyboard: Path, tmp_path: Path) -> None:
    disk = store_in(tmp_path / "disk")
    (tmp_path / "project" / "outputs").symlink_to(disk)
    assert outputs_for(storyboard, None).folder == tmp_path / "project" / "outputs"
    linked = tmp_path / "elsewhere" / "film.yaml"
    linked.symlink_to(storyboard)
    assert outputs_for(linked, None).folder == tmp_path / "project" / "outputs"


@as_root
@pytest.mark.parametrize("what", ["all of it", "the folder", "the marker", "the takes", "the link"])
def test_a_store_of_another_user_is_named_and_not_used(storyboard: Path, tmp_path: Path, what: str) -> None:
    theirs = store_in(tmp_path)
    match what:
        case "all of it":
            give_away(theirs)
        case "the folder":
            os.chown(theirs, STRANGER, STRANGER)
        case "the marker":
            os.chown(theirs / MARKER, STRANGER, STRANGER)
        case "the takes":
            os.chown(theirs / "takes", STRANGER, STRANGER)
        case "the link":
            theirs.rename(tmp_path / "moved")
            theirs.symlink_to(tmp_path / "moved")
            os.lchown(theirs, STRANGER, STRANGER)
    found = outputs_for(storyboard, None)
    assert found.folder == tmp_path / "elsewhere" / "outputs"
    (problem,) = found.passed_over
    assert problem.where == str(theirs)
    assert problem.found == "is not used: it belongs to user nobody, not to you"


def test_a_marker_that_is_a_link_is_not_followed(storyboard: Path, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    (store / MARKER).unlink()
    (store / MARKER).symlink_to("/etc/hostname")
    assert outputs_for(storyboard, None).folder == tmp_path / "elsewhere" / "outputs"


@as_root
def test_a_store_in_the_working_folder_that_is_another_users_is_refused(storyboard: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "outputs").mkdir()
    give_away(tmp_path / "elsewhere" / "outputs")
    with pytest.raises(UsageError, match="it belongs to user nobody, not to you; to use it, name it"):
        outputs_for(storyboard, None)
    assert outputs_for(storyboard, Path("outputs")).folder == tmp_path / "elsewhere" / "outputs"


@as_root
def test_the_store_of_the_storyboards_owner_is_the_projects(storyboard: Path, tmp_path: Path) -> None:
    store = store_in(tmp_path / "project")
    give_away(tmp_path / "project")
    assert outputs_for(storyboard, None).folder == store
    (tmp_path / "project").chmod(0o777)
    assert outputs_for(storyboard, None).folder != store, "anybody could have put it there"


@pytest.mark.parametrize("named", ["x" * 300, "x/" * 2500, "a\0b"], ids=["long name", "long path", "NUL"])
def test_what_no_folder_can_be_called_is_refused(storyboard: Path, named: str) -> None:
    with pytest.raises(UsageError, match="cannot be the outputs folder: "):
        outputs_for(storyboard, Path(named))


def test_a_working_folder_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="the working folder: is gone"):
        outputs_for(Path("film.yaml"), None)
