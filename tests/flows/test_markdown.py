"""Foreign text in artifacts: shown as it is written, never obeyed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.shown.markdown import disarmed, link, plain
from flows.shown.served_links import ServedLinks
from wan_render.printable import one_line

pytestmark = pytest.mark.prefect

HOSTILE = {
    "![x](http://evil.example/a.png)": "\\!\\[x\\](http:\u2060//evil.example/a.png)",
    "[x]: http://evil.example": "\\[x\\]: http:\u2060//evil.example",
    "<img src=x onerror=y>": "&lt;img src=x onerror=y&gt;",
    "<https://evil.example>": "&lt;https:\u2060//evil.example&gt;",
    "&lt;b&gt; &amp;": "&amp;lt;b&amp;gt; &amp;amp;",
    "HTTPS://evil.example www.evil.example a@evil.example": (
        "HTTPS:\u2060//evil.example www\u2060.evil.example a\u2060@evil.example"
    ),
    "a | b\n| c |": "a \\| b \\| c \\|",
    "`code` ~~~ ```": "\\`code\\` \\~\\~\\~ \\`\\`\\`",
    "a\\|b \\": "a\\\\\\|b \\\\",
    "*bold* _it_ ~~no~~ $x$": "\\*bold\\* \\_it\\_ \\~\\~no\\~\\~ \\$x\\$",
    "# head": "\\# head",
    "- item": "\\- item",
    "+ item": "\\+ item",
    "2026. item": "2026\\. item",
    "1) item": "1\\) item",
    "=== ": "\\===",
    "a\r\n\u2028b\x0b\x0cc": "a b c",
    "\x1b[31mred\x07": "\\\\u001b\\[31mred\\\\u0007",
    "gnp.\u202egpj": "gnp.\\\\u202egpj",
    "\udce9t\udce9": "\\\\udce9t\\\\udce9",
    "鹿在湖边。 a-b, 1/010 (x): é 🦌 می\u200cخواهم": "鹿在湖边。 a-b, 1/010 (x): é 🦌 می\u200cخواهم",
}


@pytest.mark.parametrize("written", HOSTILE)
def test_it_means_nothing(written: str) -> None:
    assert plain(written) == HOSTILE[written]


@pytest.mark.parametrize("written", HOSTILE)
def test_it_can_be_sent_and_stays_on_its_line(written: str) -> None:
    shown = plain(written)
    shown.encode("utf-8")
    assert len(shown.splitlines()) == 1
    assert not re.search(r"(?<!\\)[|`\[\]*_!]|[<>]", shown.replace("\\\\", ""))


@pytest.mark.parametrize("written", HOSTILE)
def test_a_cell_of_a_table_looks_as_it_is_written(written: str) -> None:
    shown = disarmed(written)
    assert shown.replace("\u2060", "") == one_line(" ".join(written.split()))
    assert not re.search(r"<\w|&\w|\]\(|\]\[|\]:|(?i:https?://|www\.)|\w@|^[#+>-]|^\d+[.)]", shown)


def test_a_file_is_led_to_whatever_it_is_called() -> None:
    hostile = Path("/films/a](http:b) `c` <d>\n|e|/film.mp4")
    path = "/films/a\\](http:b) \\`c\\` &lt;d&gt; \\|e\\|/film.mp4"
    assert link("film", hostile, "/outputs/x/film.mp4") == f"[film](/outputs/x/film.mp4): {path}"
    assert link("film", hostile, "") == f"film: {path}"


def test_no_name_of_a_file_breaks_out_of_its_address(tmp_path: Path) -> None:
    hostile = tmp_path / "a](b) <c> \"d\" 'e' |f|" / "\udce9 鹿.png"
    hostile.parent.mkdir()
    hostile.touch()
    links = ServedLinks(tmp_path, "/outputs/x/")
    address = "/outputs/x/a%5D%28b%29%20%3Cc%3E%20%22d%22%20%27e%27%20%7Cf%7C/%E9%20%E9%B9%BF.png"
    assert links.picture(hostile) == f"![]({address})"
    assert links.picture(hostile, 160) == f'<img src="{address}" alt="" width="160">'
    assert links.link("picture", hostile).startswith(f"[picture]({address}): ")
    for elsewhere in (ServedLinks(tmp_path), ServedLinks(tmp_path / "other", "/outputs/x/")):
        assert elsewhere.picture(hostile) == ""
    assert links.picture(tmp_path / "missing.png") == ""
