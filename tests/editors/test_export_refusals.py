"""What an export refuses, that it overwrites nothing, and that it continues after it was stopped."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.editors.harbour_film import HarbourFilm
from wan_render.editors import otio_adapters
from wan_render.errors import DiskError, UsageError


@pytest.mark.parametrize(
    ("form", "rate", "media", "message"),
    [
        ("xml", None, None, "--to: unknown format 'xml'; otio, otioz, edl, fcp7, fcpx, mlt, csv"),
        ("edl", 16, None, "--rate: invalid value '16'; 24, 25, 30"),
        ("otio", None, "dnxhd", "--media: invalid value 'dnxhd'; links, prores"),
        ("edl", None, "links", "--media links: edl cannot link to the clips; otio, mlt, csv"),
        ("otio", 24, "links", "--media links: the film has 16 frames per second, the timeline 24; equal rates"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    harbour: HarbourFilm, form: str, rate: int | None, media: str | None, message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        harbour.export(form, rate, media)
    assert message in str(refused.value)


def test_an_export_is_never_overwritten(harbour: HarbourFilm, tmp_path: Path) -> None:
    first, second = harbour.export("csv"), harbour.export("csv")
    assert first.folder.name.startswith("v001-csv-16")
    assert first.folder != second.folder
    assert first.document.read_bytes() == second.document.read_bytes()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(UsageError, match="already exists; a new or empty folder"):
        harbour.export("csv", folder=tmp_path / "full")
    (tmp_path / "empty").mkdir()
    assert harbour.export("csv", folder=tmp_path / "empty").document.is_file()


def test_a_place_that_cannot_be_written_is_told_before_media_is_made(harbour: HarbourFilm, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    begun: list[str] = []
    with pytest.raises(DiskError, match="there is a file where a folder is needed"):
        harbour.export("mlt", 24, folder=tmp_path / "file" / "out", progress=lambda name, *_: begun.append(name))
    assert not begun


def test_a_missing_extra_is_told_before_anything_is_written(
    harbour: HarbourFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otio_adapters, "ADAPTERS", {"edl": ("cmx_3600", "no_such_adapter")})
    with pytest.raises(UsageError, match=r"needs no_such_adapter.*pip install 'wan-render\[editors\]'"):
        harbour.export("edl")


def test_a_take_that_is_gone_is_named(harbour: HarbourFilm, tmp_path: Path) -> None:
    take = harbour.store.takes.folder / harbour.key(1)
    take.rename(tmp_path / "take")
    try:
        with pytest.raises(UsageError, match=r"no longer in the outputs folder: 1/010 \(take [0-9a-f]{8}\)"):
            harbour.export("csv")
    finally:
        (tmp_path / "take").rename(take)


def test_a_sound_that_was_changed_is_named(harbour: HarbourFilm) -> None:
    file = harbour.session.file.with_name("burst.wav")
    sound = file.read_bytes()
    file.write_bytes(sound + b"\0")
    try:
        with pytest.raises(UsageError, match=r"burst\.wav: was changed since the film was made"):
            harbour.export("csv")
    finally:
        file.write_bytes(sound)


def test_a_still_whose_picture_was_changed_is_named(harbour: HarbourFilm) -> None:
    picture = harbour.session.file.parent / "keyframes" / "dawn.png"
    before = picture.read_bytes()
    picture.write_bytes((picture.parent / "noon.png").read_bytes())
    try:
        changed = replace(harbour, session=replace(harbour.session))
        with pytest.raises(UsageError, match=r"the pictures of 1/040 are no longer those of the storyboard"):
            changed.export("csv")
    finally:
        picture.write_bytes(before)


def test_a_stopped_export_shows_nothing_and_continues(harbour: HarbourFilm, tmp_path: Path) -> None:
    """Files of media that were finished are not made again."""
    shutil.rmtree(harbour.store.intermediates.folder, ignore_errors=True)  # of other tests
    begun: list[str] = []

    def stopping(name: str, _done: int, _total: int) -> None:
        begun.extend({name} - {*begun})
        if len(begun) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        harbour.export("otio", 30, folder=tmp_path / "out", progress=stopping)
    assert list(tmp_path.iterdir()) == []
    again: list[str] = []
    made = harbour.export("otio", 30, folder=tmp_path / "out", progress=lambda name, _done, _total: again.append(name))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    files = {path.stem for path in (made.folder / "media").glob("*.mov")}
    assert files == {media.name for clip in made.timeline.clips for media in clip.media}
    assert {*again} == files - {*begun[:2]}
