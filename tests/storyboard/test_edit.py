"""One setting written into a storyboard: one line changes, whatever that line looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.no_space import no_space
from tests.storyboard.conftest import NamedModels, Read
from wan_render.authored import Circle
from wan_render.errors import UsageError
from wan_render.facts import FactCache
from wan_render.storyboard.line_edit import Edit, edit_shot

HEAD = "keyframes: {a: keyframes/river.png, b: keyframes/ruins.png}\nshots:\n"
BLOCK = "  - from: a\n    to: b\n"


def edited(read: Read, cache: FactCache, text: str, key: str, value: str) -> str:
    """The file after `key` of its first shot was written, read as it was."""
    document = read(text)
    shot = document.storyboard.scenes[0].shots[0]
    wanted = {"ng": (1,), "circle": Circle(take=1)}[key]
    edit_shot(
        document, Edit(0, 0, key, value), shot.model_copy(update={key: wanted}), models=NamedModels(), cache=cache
    )
    return document.file.read_bytes().decode()


@pytest.mark.parametrize(("key", "value"), [("ng", "[1]"), ("circle", "1")])
@pytest.mark.parametrize(
    ("shot", "after"),
    [
        ("{BLOCK}    KEY:\n    duration: 1s\n", "{BLOCK}    KEY: VALUE\n    duration: 1s\n"),
        ("{BLOCK}    KEY:   # none yet\n", "{BLOCK}    KEY: VALUE   # none yet\n"),
        ("{BLOCK}    KEY:\t# none yet\n", "{BLOCK}    KEY: VALUE\t# none yet\n"),
        ("{BLOCK}    KEY: ~\n", "{BLOCK}    KEY: VALUE\n"),
        ("{BLOCK}    KEY:", "{BLOCK}    KEY: VALUE"),
        (
            "{BLOCK}    KEY:\n    # about time\n    hold: 1s\n",
            "{BLOCK}    KEY: VALUE\n    # about time\n    hold: 1s\n",
        ),
        ('{BLOCK}    "KEY":\n', '{BLOCK}    "KEY": VALUE\n'),
        ("  - {from: a, KEY: , to: b}\n", "  - {from: a, KEY: VALUE, to: b}\n"),
        ("  - {from: a, to: b, KEY: }\n", "  - {from: a, to: b, KEY: VALUE}\n"),
        ("  - {from: a, to: b, notes: }\n", "  - {from: a, to: b, notes: , KEY: VALUE}\n"),
        ("  - {from: a, # x\n     to: b # y\n    }\n", "  - {from: a, # x\n     to: b, KEY: VALUE # y\n    }\n"),
        ("  - notes:\n    from: a\n    to: b\n", "  - notes:\n    KEY: VALUE\n    from: a\n    to: b\n"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_empty_value_and_comments_are_no_hindrance(
    read: Read, cache: FactCache, shot: str, after: str, key: str, value: str, newline: str
) -> None:
    before, wanted = (
        (HEAD + text.replace("{BLOCK}", BLOCK).replace("KEY", key).replace("VALUE", value)).replace("\n", newline)
        for text in (shot, after)
    )
    assert edited(read, cache, before, key, value) == wanted


@pytest.mark.parametrize(
    "shot",
    [
        f"{BLOCK}    ng: &n\n",
        f"{BLOCK}    ng: &n []\n",
        f"{BLOCK}    ? ng\n    duration: 1s\n",
        "  - ? from\n    : a\n    ? ng\n    to: b\n",
        f"{BLOCK}    ng:\n      []\n    duration: 1s\n",
    ],
)
def test_what_cannot_be_written_in_place_is_said_and_no_file_of_ours_is_named(
    read: Read, cache: FactCache, folder: Path, shot: str
) -> None:
    try:
        after = edited(read, cache, HEAD + shot, "ng", "[1]")
    except UsageError as error:
        (problem,) = error.problems
        assert problem.where == f"{folder / 'film.yaml'}:3:5: shots[0]"
        assert problem.remedy == "write it there yourself: ng: [1]"
        assert (folder / "film.yaml").read_text() == HEAD + shot
    else:
        assert "ng:\n      [1]\n" in after
    assert not list(folder.glob("*.part")) + list(folder.glob(".*.part"))


def test_a_full_disk_changes_nothing_and_leaves_nothing(read: Read, cache: FactCache, folder: Path) -> None:
    document = read(HEAD + BLOCK)
    shot, before = document.storyboard.scenes[0].shots[0], sorted(folder.iterdir())
    wanted = shot.model_copy(update={"ng": (1,)})
    with no_space(), pytest.raises(UsageError, match="the file cannot be written"):
        edit_shot(document, Edit(0, 0, "ng", "[1]"), wanted, models=NamedModels(), cache=cache)
    assert sorted(folder.iterdir()) == before
