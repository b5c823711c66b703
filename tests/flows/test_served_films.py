"""A finished film as somebody looks at it in a browser who has logged in to the farm's page once."""

from __future__ import annotations

import http.server
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from flows.serving.outputs_server import COOKIE
from tests.flows.conftest import Farm, until
from tests.flows.films import write_film
from tests.flows.other_user import NOBODY, as_user

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@dataclass(frozen=True)
class SeenFilm:
    """A film of the farm, the address of its version's folder, and its artifact."""

    farm: Farm
    folder: str
    artifact: str

    @property
    def ui(self) -> str:
        return self.farm.environment["PREFECT_API_URL"].removesuffix("/api")


@pytest.fixture(scope="module")
def seen(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> SeenFilm:
    """It has two versions: the prompt of one shot was changed."""
    storyboard = write_film(tmp_path_factory.mktemp("served") / "seen")
    assert farm.ended(farm.run("film/now", storyboard=str(storyboard)))["name"] == "Completed"
    text = storyboard.read_text(encoding="utf-8")
    storyboard.write_text(text.replace("moves on", "stands <b>still</b>", 1), encoding="utf-8")
    run = farm.run("film/now", storyboard=str(storyboard))
    assert farm.ended(run)["name"] == "Completed"
    found = farm.ask("POST", "/artifacts/filter", flow_runs={"id": {"any_": [run]}})
    artifact = next(each for each in found if each["key"] == "film-seen")
    address = re.search(r"\((/outputs/\S+/films/seen/v002)/index\.html\)", str(artifact["data"]))
    assert address is not None
    return SeenFilm(farm, address[1], str(artifact["id"]))


@contextmanager
def logged_in(browser: Browser, film: SeenFilm) -> Iterator[Page]:
    """A page of the farm, after the password was typed into it."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(film.ui)
        page.locator("input").first.fill(film.farm.password)
        page.keyboard.press("Enter")
        page.get_by_text("Flow Runs").first.wait_for()
        yield page


@pytest.mark.browser
@pytest.mark.parametrize("ui", ["", "v2/"])
def test_one_log_in_shows_the_picture_the_page_and_the_film(browser: Browser, seen: SeenFilm, ui: str) -> None:
    with logged_in(browser, seen) as page:
        page.goto(f"{seen.ui}/{ui}artifacts/artifact/{seen.artifact}")
        sheet = page.locator(f"img[src='{seen.folder}/contact.png']")
        sheet.wait_for()
        until(60, lambda: sheet.evaluate("(image) => image.complete && image.naturalWidth > 1000"))
        link = page.get_by_role("link", name="review page")
        assert link.get_attribute("href") == f"{seen.folder}/index.html"
        context = page.context
        page.close()  # what Prefect's page still says is no matter of ours
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{seen.ui}{seen.folder}/index.html")
        assert page.locator("#changes li").all_inner_texts() == ["1/010 new take (prompt changed)"]
        page.evaluate("for (const image of document.images) image.loading = 'eager'")
        until(60, lambda: page.evaluate(f"[...document.images].every({SHOWN})"))
        until(60, lambda: page.evaluate("document.querySelector('#film').readyState > 0"))
        assert page.evaluate(SCRUB, 1.5) == 1.5
        page.get_by_role("button", name="Next shot").or_(page.locator("[data-do=shot-on]")).first.click()
        page.click("#former")
        page.wait_for_url("**/v001/index.html")
        page.goto(f"{seen.ui}{seen.folder.partition('/films/')[0]}/index.html")
        poster = page.locator("li", has_text="seen v002").locator("img")
        until(60, lambda: poster.evaluate(SHOWN))
        assert said == []


SHOWN = "(image) => image.complete && image.naturalWidth > 0"
"""Of a picture. `image.decode()` has no limit, and once waited for ever. The page's policy forbids `eval`, with which
`page.wait_for_function` looks a second time: `until` asks from here."""

SCRUB = """
async (seconds) => {
    const film = document.querySelector('#film');
    const sought = new Promise((done) => { film.onseeked = done; });
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error('not within a minute')), 60000));
    film.currentTime = seconds;
    await Promise.race([sought, late]);
    return film.currentTime;
}
"""


@pytest.mark.browser
def test_a_kept_address_opens_after_the_browser_forgot_the_cookie(browser: Browser, seen: SeenFilm) -> None:
    with logged_in(browser, seen) as page:
        page.context.clear_cookies()
        page.goto(f"{seen.ui}{seen.folder}/index.html")
        page.locator("#film").wait_for(state="attached")  # the page itself has logged in again
    with browser.new_context() as stranger:
        page = stranger.new_page()
        answer = page.goto(f"{seen.ui}{seen.folder}/index.html")
        assert answer is not None
        assert answer.status == 401
        assert page.locator("#film").count() == 0


class Listening(http.server.BaseHTTPRequestHandler):
    """What a program of another user on another port gets of a browser; its page asks for the farm's picture."""

    cookies: list[str] = []  # noqa: RUF012 - what all requests brought
    asks_for = ""

    def do_GET(self) -> None:
        self.cookies.append(self.headers.get("Cookie", ""))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!doctype html><img src='{self.asks_for}'>".encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.browser
def test_another_port_gets_neither_the_cookie_nor_a_picture(browser: Browser, seen: SeenFilm) -> None:
    Listening.asks_for = f"{seen.ui}{seen.folder}/contact.png"  # worse than can be: it knows the address
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with logged_in(browser, seen) as page:
            kept = [cookie["name"] for cookie in page.context.cookies(f"{seen.ui}{seen.folder}/")]
            assert COOKIE in kept
            refused: list[str] = []
            page.on("requestfailed", lambda request: refused.append(request.url))
            page.goto(f"http://127.0.0.1:{server.server_port}/outputs/")
            assert Listening.asks_for in refused
            assert page.evaluate("document.images[0].naturalWidth") == 0
            assert not [cookie for cookie in Listening.cookies if COOKIE in cookie]
    finally:
        server.shutdown()
        server.server_close()


def test_without_the_password_nothing_is_served(seen: SeenFilm) -> None:
    for path in ("index.html", "film.mp4", "contact.png", "nothing"):
        assert httpx.get(f"{seen.ui}{seen.folder}/{path}", trust_env=False).status_code == 401
    ask = {"folder": str(seen.farm.outputs)}
    assert httpx.post(f"{seen.ui}/outputs", json=ask, trust_env=False).status_code == 401


def test_another_user_of_the_machine_is_served_nothing(seen: SeenFilm) -> None:
    """Although they know the address, which is in files that only its owner can read."""
    if os.geteuid() != 0:
        pytest.skip("not run: only root can become another user")
    url, store = f"{seen.ui}{seen.folder}", {"folder": str(seen.farm.outputs)}

    def attack() -> list[int]:
        with httpx.Client(trust_env=False, timeout=30) as client:
            answers = [
                client.get(f"{url}/index.html"),
                client.get(f"{url}/film.mp4", headers={"Range": "bytes=0-9"}),
                client.get(f"{url}/film.mp4", headers={"Cookie": f"{COOKIE}={'A' * 43}"}),
                client.head(f"{url}/contact.png"),
                client.post(f"{seen.ui}/outputs", json=store),
            ]
        return [answer.status_code for answer in answers]

    assert as_user(NOBODY, attack) == [401] * 5


def test_no_path_leads_out_whatever_a_program_sends(seen: SeenFilm) -> None:
    home = seen.farm.home
    (home / "outputs" / "films" / "seen" / "out").symlink_to(home / "farm")
    store = seen.folder.partition("/films/")[0]
    for path in (
        f"{store}/../../../etc/passwd",
        f"{store}/films/../index.html",
        f"{store}/films/seen/v002/../v001/film.mp4",
        f"{store}/%2e%2e/farm/password",
        f"{store}/..%2ffarm%2fpassword",
        f"{store}/films/seen/out/password",
        f"{store}/films/seen/v002/..%5c..%5cmemory.json",
        f"{store}/films/seen/v002/film.mp4%00",
        f"{store}//index.html",
        f"{store}/.locks/x.json",
        f"{store}/",
    ):
        assert _status(seen, path) == 404, path
    assert _status(seen, f"{store}/index.html") == 200
    assert _status(seen, f"{store}/index.html", method="DELETE") == 405
    assert _status(seen, f"{seen.folder}/film.mp4", f"Range: bytes={','.join(['0-0'] * 2000)}") == 416
    assert _status(seen, f"{seen.folder}/film.mp4", f"Range: bytes={'9' * 5000}-") == 416
    assert _status(seen, f"{seen.folder}/film.mp4", f"Range: bytes=0-{'9' * 18}") == 206
    for origin in ("http://127.0.0.1:1", "http://evil.example", "null"):
        assert _status(seen, f"{seen.folder}/film.mp4", f"Origin: {origin}") == 403, origin
    assert _status(seen, f"{seen.folder}/film.mp4", "Host: evil.example") == 400  # two names: uvicorn refuses that


def test_the_film_is_sent_as_it_is_in_the_store(seen: SeenFilm) -> None:
    film = (seen.farm.outputs / "films" / "seen" / "v002" / "film.mp4").read_bytes()
    headers = {"Authorization": seen.farm.headers["Authorization"]}
    url = f"{seen.ui}{seen.folder}/film.mp4"
    assert httpx.get(url, headers=headers, trust_env=False).content == film
    part = httpx.get(url, headers={**headers, "Range": "bytes=100-199"}, trust_env=False)
    assert (part.status_code, part.content) == (206, film[100:200])


def _status(film: SeenFilm, path: str, *headers: str, method: str = "GET") -> int:
    """What the server answers to a path as it is; every client of ours would put it in order."""
    host = urlsplit(film.ui).netloc
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: {film.farm.headers['Authorization']}"]
    asked = "\r\n".join([*lines, "Connection: close", *headers, "", ""])
    with socket.create_connection((host.partition(":")[0], int(host.rpartition(":")[2])), 10) as opened:
        opened.sendall(asked.encode())
        return int(opened.makefile("rb").readline().split()[1])
