from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from tests.report.films import BLUE, GREEN, GREY, RED, SLATE, Store, a_review, a_shot, five_shots, flat, write_film
from wan_render.report import Review, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

DESK, PHONE = (1280, 900), (390, 844)


@contextmanager
def opened(browser: Browser, folder: Path, size: tuple[int, int] = DESK) -> Iterator[Page]:
    """The page, opened from disk. At the end, asserts that the console is empty and that nothing else was requested."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "index.html").as_uri())
    try:
        yield page
        assert said == []
        assert [url for url in asked if not url.startswith((folder.as_uri() + "/", "data:"))] == []
    finally:
        page.close()


def until(page: Page, condition: str, seconds: float = 60) -> None:
    """Wait for a condition; Playwright's own waiting evaluates strings in the page, which the page forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"never came true: {condition}"
        time.sleep(0.02)


@pytest.fixture
def page(browser: Browser, dailies: Path) -> Iterator[Page]:
    with opened(browser, dailies) as page:
        until(page, "document.querySelector('#film').readyState >= 2")
        yield page


def film_frame(page: Page) -> int:
    """The film frame on screen, by the time of the player."""
    until(page, "!document.querySelector('#film').seeking")
    frame: int = page.evaluate("Math.floor(document.querySelector('#film').currentTime * 16 + 0.01)")
    return frame


def colour_on_screen(page: Page) -> tuple[int, ...]:
    until(page, "!document.querySelector('#film').seeking")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    with Image.open(io.BytesIO(page.locator("#film").screenshot())) as shown:
        point = shown.convert("RGB").getpixel((shown.width // 2, shown.height // 3))
    assert isinstance(point, tuple)
    return tuple(map(int, point))


def shows(page: Page, colour: tuple[int, int, int]) -> bool:
    """Whether the film shows a colour, within the tolerance of the encoder."""
    return all(abs(one - other) < 40 for one, other in zip(colour_on_screen(page), colour, strict=True))


def test_the_film_loads_and_plays(page: Page) -> None:
    assert page.evaluate("document.querySelector('#film').duration") == pytest.approx(88 / 16, abs=0.05)
    assert page.evaluate("document.querySelector('#film').videoWidth") == 320

    page.locator("#play").click()

    until(page, "document.querySelector('#film').currentTime > 0.5")
    assert page.locator("#timecode").inner_text() != "00:00:00:00"


def test_a_takes_preview_plays_and_the_film_waits(page: Page) -> None:
    page.keyboard.press(" ")
    until(page, "document.querySelector('#film').currentTime > 0")
    until(page, "document.querySelector('#play').textContent === '❙❙'")  # everybody has heard that it plays

    page.evaluate("document.querySelector('#shot-1 .take.chosen video').play()")

    until(page, "document.querySelector('#shot-1 .take.chosen video').currentTime > 0.2")
    assert page.evaluate("document.querySelector('#film').paused")


def test_takes_play_together(page: Page) -> None:
    page.get_by_role("button", name="Play takes together").click()

    until(
        page,
        "[...document.querySelectorAll('#shot-1 .take video')].every((take) => !take.paused && take.currentTime > 0.1)",
    )


@pytest.mark.parametrize(("place", "before", "at"), [(1, GREY, RED), (2, RED, GREEN), (3, GREEN, BLUE)])
def test_a_click_on_a_shot_shows_its_first_frame(
    page: Page, place: int, before: tuple[int, int, int], at: tuple[int, int, int]
) -> None:
    page.locator(f"#strip li:nth-child({place}) button").click()

    assert film_frame(page) == 8 + 16 * (place - 1)
    assert shows(page, at)
    page.keyboard.press("ArrowLeft")
    assert film_frame(page) == 7 + 16 * (place - 1)
    assert shows(page, before)


def test_timecode_and_shot_follow_the_film(page: Page) -> None:
    assert page.locator("#place").inner_text().endswith("title")

    page.locator("#strip li:nth-child(2) button").click()

    assert page.locator("#timecode").inner_text() == "00:00:01:08"
    assert page.locator("#place").inner_text() == "frame 24 of 88 · 1/020 +0"
    assert page.locator("#strip [aria-current] b").inner_text() == "1/020"
    assert "1/020" in page.locator("#now").inner_text()


def test_a_place_on_the_timeline_is_a_place_in_the_film(page: Page) -> None:
    box = page.locator("#timeline").bounding_box()
    assert box is not None

    page.mouse.click(box["x"] + box["width"] * 44.5 / 88, box["y"] + 5)

    assert film_frame(page) == 44


def test_the_keyboard_controls_the_film(page: Page) -> None:
    page.keyboard.press("]")
    page.keyboard.press("]")
    assert film_frame(page) == 24
    page.keyboard.press("ArrowRight")
    assert film_frame(page) == 25
    page.keyboard.press("[")
    assert film_frame(page) == 24
    page.keyboard.press("Shift+ArrowLeft")
    assert film_frame(page) == 8
    page.keyboard.press("[")
    page.keyboard.press("[")
    assert film_frame(page) == 0
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.locator("#timeline").focus()
    page.keyboard.press("End")
    assert film_frame(page) == 87
    page.keyboard.press("Enter")
    until(page, "scrollY > 300")


def test_space_on_a_button_presses_it_once(page: Page) -> None:
    page.locator("#play").focus()

    page.keyboard.press(" ")

    until(page, "document.querySelector('#film').currentTime > 0.2")
    assert not page.evaluate("document.querySelector('#film').paused")


def test_the_reason_for_a_missing_shot_is_at_the_top_and_at_the_shot(page: Page) -> None:
    assert SLATE in page.locator("#slates").inner_text()
    assert SLATE in (page.locator("#shot-3 > .notice").text_content() or "")
    log = page.locator("#shot-3 > .notice a")
    assert log.text_content() == "Log of the last attempt"
    assert log.get_attribute("href") == "review/3.log"
    top = page.locator("#slates").bounding_box()
    assert top is not None
    assert top["y"] < 250


def test_a_shot_shows_its_takes_prompts_and_settings(page: Page) -> None:
    shot = page.locator("#shot-1")

    shot.scroll_into_view_if_needed()
    text = shot.inner_text()

    for words in (
        "镜头下潜",
        "河流，电影感",
        "river",
        "ruins",
        "guidance 5.0",
        "never rendered",
        "1 min 30 s",
        "NVIDIA H200",
    ):
        assert words in re.sub(r"\s+", " ", text)
    assert shot.locator(".take.chosen").inner_text().startswith("Take 2\nin the film")
    assert "steps\n40" in shot.locator(".take:nth-child(3) .own").inner_text()
    assert shot.locator(".keyframes img").count() == 2


def test_failed_checks_and_a_visible_joint_are_named_and_shown(page: Page) -> None:
    assert page.locator("#looks li").all_inner_texts() == ["1/010 the joint to 1/020 is visible (8.2)"]
    assert page.locator("#shot-1 .badge.verdict").all_inner_texts() == ["failed its checks", "checks passed"]
    assert page.locator("#shot-1 .check.fail").all_inner_texts() == ["black\nfail: 7, limit 1"]
    assert page.locator("#shot-1 .seam p").inner_text() == "Joint to 1/020: 8.2 (up to 1 is invisible)"
    assert page.locator("#shot-1 .seam figcaption").all_inner_texts() == ["last frame of 1/010", "first frame of 1/020"]


def test_the_line_that_pins_a_clip_is_copied(browser: Browser, dailies: Path) -> None:
    with opened(browser, dailies) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        button = page.locator("#shot-1 .take.chosen .copy")

        button.click()

        assert re.fullmatch(r"circle: 2@[0-9a-f]{8}", button.inner_text())
        until(page, "document.querySelector('#shot-1 .take.chosen .copy').classList.contains('done')")
        assert page.evaluate("navigator.clipboard.readText()") == button.inner_text()


def test_every_picture_of_the_page_exists(page: Page) -> None:
    page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")

    until(page, "[...document.images].every((image) => image.complete)")

    assert page.evaluate("[...document.images].filter((image) => image.naturalWidth === 0).length") == 0
    assert page.evaluate("document.images.length") > 8


def test_every_file_that_the_page_names_is_in_the_folder(page: Page, dailies: Path) -> None:
    named: list[str] = page.evaluate(
        "[...document.querySelectorAll('[src], [poster], a[href]')]"
        ".flatMap((one) => ['src', 'poster', 'href'].map((name) => one.getAttribute(name)))"
        ".filter((name) => name && !name.startsWith('#') && !name.startsWith('data:'))"
    )

    assert {"film.mp4", "contact.png", "shots.csv"} <= set(named)
    assert [name for name in named if not (dailies / name).is_file()] == []


@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("long", ["x" * 300, "字" * 300])
def test_nothing_scrolls_sideways(browser: Browser, tmp_path: Path, size: tuple[int, int], long: str) -> None:
    folder = tmp_path / "v001"
    folder.mkdir()
    write_report(said_everywhere(a_review(folder, five_shots(Store(tmp_path / "store"))), long), folder)

    with opened(browser, without_film(folder), size) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        # What is scrolled out of sight is not laid out, and what a shot draws outside itself is cut off.
        wide: list[str] = page.evaluate(
            "[...document.querySelectorAll('.shot, .shot *, .head, .summary, .notice, footer')]"
            ".filter((one) => { one.style.contentVisibility = 'visible'; return one.scrollWidth > one.clientWidth + 1"
            " && getComputedStyle(one).display !== 'inline'; })"
            ".map((one) => `${one.tagName} ${one.className}: ${one.scrollWidth} in ${one.clientWidth}`)"
        )
        assert wide == []


PAYLOAD = """"'><script>window.ran=1</script><img src=x onerror="window.ran=1">{{ 7*7 }}</style></title>"""


def test_text_of_a_storyboard_is_only_text_on_the_page(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "v001"
    folder.mkdir()
    write_report(said_everywhere(a_review(folder, five_shots(Store(tmp_path / "store"))), PAYLOAD), folder)

    with opened(browser, without_film(folder)) as page:
        assert page.evaluate("window.ran") is None
        assert page.locator("script").count() == 1
        assert page.locator("img[src=x]").count() == 0
        assert page.locator("h1").inner_text() == PAYLOAD
        assert PAYLOAD in page.locator("#shot-1 .action").inner_text()
        assert page.title().startswith(PAYLOAD)


def said_everywhere(review: Review, text: str) -> Review:
    """The review with a text in every field that has text of a storyboard, a model or a device."""

    def said(value: Any, **more: Any) -> Any:
        return replace(value, **{name: text for name in WORDS if isinstance(getattr(value, name, None), str)}, **more)

    shots = tuple(
        said(
            shot,
            keyframes=tuple((text, picture) for _, picture in shot.keyframes),
            takes=tuple(said(take, settings={text: text}, seconds={text: 1.0}) for take in shot.takes),
            slate=None if shot.slate is None else text,
        )
        for shot in review.shots
    )
    changed: Review = said(review, shots=shots, warnings=(text,))
    return changed


WORDS = (
    *("title", "version", "storyboard", "backend", "preview", "tool"),
    *("id", "slugline", "action", "notes", "what", "model"),
    *("state", "prompt", "negative", "device", "why"),
)


def without_film(folder: Path) -> Path:
    """A page whose film is missing would print an error on the console."""
    page = folder / "index.html"
    page.write_text(page.read_text(encoding="utf-8").replace('src="film.mp4"', ""), encoding="utf-8")
    return folder


def luminance(colour: str) -> float:
    """Relative luminance of a CSS colour, by WCAG 2."""
    numbers = re.findall(r"[\d.]+", colour)[:3]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (int(n) / 255 for n in numbers)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrasts(page: Page) -> dict[str, float]:
    """Contrast of text against its background, by WCAG 2, for every kind of text on the page."""
    pairs: dict[str, list[str]] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('h1, h2, h3, p, dt, dd, a, button, span, li')]
          .filter((one) => one.checkVisibility() && one.innerText && !one.closest('.strip .blank'))
          .map((one) => {
            let under = one;
            while (getComputedStyle(under).backgroundColor === 'rgba(0, 0, 0, 0)') under = under.parentElement;
            const name = `${one.tagName} ${one.className} on ${under.tagName} ${under.className}`;
            return [name, [getComputedStyle(one).color, getComputedStyle(under).backgroundColor]];
          }))"""
    )
    lit = {name: sorted(map(luminance, pair)) for name, pair in pairs.items()}
    return {name: (bright + 0.05) / (dark + 0.05) for name, (dark, bright) in lit.items()}


def test_both_themes_are_legible(page: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    assert luminance(page.evaluate(paper)) < 0.02
    assert {name: ratio for name, ratio in contrasts(page).items() if ratio < 4.5} == {}

    page.keyboard.press("d")

    assert luminance(page.evaluate(paper)) > 0.8
    assert {name: ratio for name, ratio in contrasts(page).items() if ratio < 4.5} == {}


def test_the_theme_is_remembered(page: Page) -> None:
    page.get_by_role("button", name="Light").click()
    until(page, "localStorage.getItem('wan-render-theme') === 'light'")
    for _ in range(5):  # a busy browser may write it down a moment after the page has
        page.reload()
        if page.evaluate("document.documentElement.dataset.theme") == "light":
            return
    raise AssertionError("it was forgotten")


@pytest.mark.slow
@pytest.mark.thorough  # it measures speed; the other tests of this file open pages of a few shots
def test_three_hundred_shots_open_at_once(browser: Browser, tmp_path: Path) -> None:
    store, folder = Store(tmp_path / "store"), tmp_path / "v001"
    folder.mkdir()
    takes = (store.take(flat(RED)), store.take(flat(GREEN), 2, chosen=False))
    river = ("river", store.picture(BLUE))
    shots = tuple(a_shot(f"1/{n:03}", takes, start=16 * n, keyframes=(river, river)) for n in range(300))
    review = a_review(folder, shots)
    write_report(review, folder)
    write_film(replace(review, frames=160, shots=shots[:10]))

    work = [work_of_opening(browser, folder) for _ in range(2)]

    assert 0 < min(work) < 2
    assert (folder / "index.html").stat().st_size < 2_000_000


def work_of_opening(browser: Browser, folder: Path) -> float:
    """Seconds of the processor that the page's main thread needs until it answers keys and clicks. What else the
    machine does at that time does not count."""
    with opened(browser, folder) as page:
        developer = page.context.new_cdp_session(page)
        developer.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.reload()
        assert page.locator("#strip li").count() == 300
        metrics = developer.send("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


def test_every_letter_of_the_page_is_drawn_where_no_font_is_installed(page: Page) -> None:
    until(page, "document.fonts.status === 'loaded'")
    assert page.evaluate("[...document.fonts].map((face) => `${face.family} ${face.status}`)") == ["Letters loaded"]
    face = page.evaluate("document.querySelector('style').textContent.match(/base64,([^\"]+)/)[1]")
    drawn = set(TTFont(io.BytesIO(base64.b64decode(face))).getBestCmap())
    shown = {ord(character) for character in page.content() if "\u4e00" <= character <= "\u9fff"}
    assert shown
    assert shown <= drawn

    with Image.open(io.BytesIO(page.locator("h1").screenshot())) as title:
        cells = {title.crop((22 * at, 0, 22 * (at + 1), title.height)).tobytes() for at in range(5)}
    assert len(cells) == 5, "a box for every character would be one and the same"
