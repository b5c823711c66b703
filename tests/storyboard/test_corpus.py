"""The corpora: what must read, and tiny broken files with the words expected of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.storyboard.conftest import Read
from wan_render.errors import StoryboardError

CORPUS = Path(__file__).parent.parent / "storyboards"
GOOD = sorted((CORPUS / "good").glob("*.yaml"))
BAD = sorted((CORPUS / "bad").glob("*.yaml"))


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_a_good_file_reads(file: Path, read: Read) -> None:
    assert read(file.read_text(encoding="utf-8")).storyboard.scenes


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_broken_file_is_refused_with_the_words_expected(file: Path, read: Read) -> None:
    text = file.read_text(encoding="utf-8")
    with pytest.raises(StoryboardError) as caught:
        read(text)
    expected = [line.removeprefix("# expect: ") for line in text.splitlines() if line.startswith("# expect: ")]
    told = str(caught.value).splitlines()
    assert len(told) == len(expected) == 1, told
    assert expected[0] in told[0]


def test_the_corpora_are_there() -> None:
    assert len(GOOD) >= 6
    assert len(BAD) >= 90
