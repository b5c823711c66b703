"""The served outputs: finished films and what belongs to them, for who has logged in; nothing else, for nobody else."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from flows.serving.byte_range import RangeError, asked_bytes
from flows.serving.gate import Gate
from flows.serving.outputs_server import CHUNK, COOKIE, OutputsServer
from flows.serving.served_files import open_served
from flows.serving.served_stores import ServedStores
from wan_render.errors import UsageError
from wan_render.report import page_script
from wan_render.store.outputs import mark

pytestmark = pytest.mark.prefect

PASSWORD = "admin:correct"  # noqa: S105 - of a server under test
HEADER = {"Authorization": f"Basic {base64.b64encode(PASSWORD.encode()).decode()}"}
KEY = "ab" * 32
FILM = bytes(range(256)) * 4096
"""Larger than a chunk."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one film, one take, a log, and much that is not to be served."""
    root = tmp_path / "outputs"
    film = root / "films" / "river" / "v001"
    files = {
        film / "film.mp4": FILM,
        film / "index.html": b"<script>alert(1)</script>",
        film / "contact.png": b"png",
        film / "review" / "1-middle.jpg": b"jpg",
        film / "unlisted.json": b"{}",
        film / "deliverables" / "river-v001-av1.mp4": b"mp4",
        film / "deliverables" / "river-v001-av1.provenance.json": b"{}",
        film / "deliverables" / "deliverables.json": json.dumps(
            {"deliverables": [{"file": "river-v001-av1.mp4"}, {"file": "../memory.json"}, {"file": 3}]}
        ).encode(),
        film / "deliverables" / "unlisted.mp4": b"mp4",
        film / "deliverables" / ".part-river-v001-gif" / "river-v001-gif.gif": b"GIF",
        film / "listed.exe": b"MZ",
        film.parent / "v002" / "film.mp4": b"not finished",
        film.parent / ".part-v003-1" / "film.mp4": b"not finished",
        film.parent / "memory.json": b"{}",
        root / "takes" / KEY / "clip.mkv": b"mkv",
        root / "takes" / KEY / "preview.mp4": b"mp4",
        root / "takes" / ".corrupt" / "clip.mkv": b"mkv",
        root / "stages" / KEY / "x.json": b"{}",
        root / "logs" / "1-010-take1.log": b"<script>alert(1)</script>",
        root / "index.html": b"<p>films</p>",
        root / "nights" / "2026-11-27-2" / "index.html": b"<p>night</p>",
        root / "nights" / "2026-11-27-2" / "night.json": b"{}",
        root / "nights" / "2026-11-27-2" / "unlisted.json": b"{}",
        root / "nights" / "other" / "index.html": b"<p>no night</p>",
        tmp_path / "secret.json": b"{}",
    }
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    listed = ("film.mp4", "index.html", "contact.png", "review/1-middle.jpg", "listed.exe", "../v002/film.mp4")
    (film / "film.json").write_text(json.dumps({"files": {name: {} for name in listed}}), encoding="utf-8")
    mark(root)
    return root


SERVED = (
    "index.html",
    "films/river/v001/film.mp4",
    "films/river/v001/index.html",
    "films/river/v001/contact.png",
    "films/river/v001/review/1-middle.jpg",
    "films/river/v001/film.json",
    "films/river/v001/deliverables/river-v001-av1.mp4",
    "films/river/v001/deliverables/river-v001-av1.provenance.json",
    f"takes/{KEY}/clip.mkv",
    f"takes/{KEY}/preview.mp4",
    "logs/1-010-take1.log",
    "nights/2026-11-27-2/index.html",
    "nights/2026-11-27-2/night.json",
)
REFUSED = (
    "",
    "films",
    "films/",
    "films/river/v001",
    "films/river/v001/",
    "films/river/v001/review/",
    "films/river/v001/unlisted.json",
    "films/river/v001/listed.exe",
    "films/river/v001/deliverables/",
    "films/river/v001/deliverables/unlisted.mp4",
    "films/river/v001/deliverables/../memory.json",
    "films/river/v001/deliverables/.part-river-v001-gif/river-v001-gif.gif",
    "films/river/v002/film.mp4",
    "films/river/v001/../v002/film.mp4",
    "films/river/.part-v003-1/film.mp4",
    "films/river/memory.json",
    "films/../index.html",
    "../secret.json",
    "/index.html",
    "./index.html",
    "index.html/",
    f"takes/{KEY}/",
    f"takes/{KEY}/first.png",
    f"takes/{KEY}/../{KEY}/clip.mkv",
    "takes/.corrupt/clip.mkv",
    f"stages/{KEY}/x.json",
    "logs/",
    "logs/../index.html",
    "nights/",
    "nights/2026-11-27-2/",
    "nights/2026-11-27-2/unlisted.json",
    "nights/other/index.html",
    "wan-render-store.json",
)


@pytest.mark.parametrize("path", SERVED)
def test_finished_films_and_what_belongs_to_them_are_served(store: Path, path: str) -> None:
    found = open_served(store, path.split("/"))
    assert found is not None
    with os.fdopen(found.descriptor, "rb") as file:
        assert file.read() == (store / path).read_bytes()


@pytest.mark.parametrize("path", REFUSED)
def test_nothing_else_is(store: Path, path: str) -> None:
    assert open_served(store, path.split("/")) is None


@pytest.mark.parametrize("linked", ["films", "films/river", "films/river/v001", "films/river/v001/contact.png", "logs"])
def test_no_link_is_followed_even_within_the_store(store: Path, linked: str) -> None:
    served = next(path for path in SERVED if path.startswith(linked) and "film." not in path)
    place = store / linked
    place.rename(store / "moved")
    place.symlink_to(store / "moved")
    assert place.exists()
    assert open_served(store, served.split("/")) is None


def test_a_pipe_keeps_nobody_waiting(store: Path) -> None:
    pipe = store / "logs" / "pipe.log"
    os.mkfifo(pipe)
    assert open_served(store, ("logs", "pipe.log")) is None


def test_nothing_stays_open(store: Path) -> None:
    before = opened()
    for path in (*REFUSED, "films/river/v001/missing.png", "logs/missing.log"):
        open_served(store, path.split("/"))
    assert opened() == before


def opened() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-", range(100)),
        ("bytes=10-19", range(10, 20)),
        ("bytes=99-99", range(99, 100)),
        ("bytes=90-1000", range(90, 100)),
        (f"bytes=0-{'9' * 18}", range(100)),
        ("bytes=-10", range(90, 100)),
        ("bytes=-1000", range(100)),
        ("items=0-1", None),
    ],
)
def test_a_part_of_a_file(header: str | None, part: range | None) -> None:
    assert asked_bytes(header, 100) == part


@pytest.mark.parametrize(
    "header",
    [
        "bytes=",
        "bytes=-",
        "bytes=-0",
        "bytes=100-",
        "bytes=20-10",
        "bytes=a-b",
        "bytes=0-1,2-3",
        "bytes=" + ",".join(["0-"] * 10_000),
        f"bytes=0-{'9' * 5000}",
        f"bytes={'9' * 5000}-",
        "bytes=٣-",
    ],
)
def test_no_such_part(header: str) -> None:
    with pytest.raises(RangeError):
        asked_bytes(header, 100)


# The server


async def prefect_server(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands in for Prefect's: all that matters is what is passed on to it."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(scope["path"]).encode()})


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    server = Gate(OutputsServer(prefect_server, PASSWORD, ServedStores(tmp_path)), 4200)
    return TestClient(server, base_url="http://127.0.0.1:4200")


@pytest.fixture
def address(client: TestClient, store: Path) -> str:
    answer = client.post("/outputs", json={"folder": str(store)}, headers=HEADER)
    assert answer.status_code == 200
    return str(answer.json()["address"])


@pytest.fixture
def signed_in(client: TestClient) -> TestClient:
    """As a browser is when the UI has asked the API for something."""
    assert client.post("/api/x", headers={**HEADER, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    return client


def test_a_cookie_of_the_log_in_opens_the_files(signed_in: TestClient, address: str) -> None:
    for path in SERVED:
        assert signed_in.get(f"{address}{path}").status_code == 200, path


def test_so_does_the_password_but_nothing_less(client: TestClient, address: str) -> None:
    film = f"{address}films/river/v001/film.mp4"
    assert client.get(film, headers=HEADER).content == FILM
    wrong = base64.b64encode(b"admin:wrong").decode()
    for headers in (
        {},
        {"Authorization": f"Basic {wrong}"},
        {"Authorization": f"Bearer {PASSWORD}"},
        {"Authorization": "Basic é"},
        {"Cookie": COOKIE},
        {"Cookie": f"{COOKIE}="},
        {"Cookie": f"{COOKIE}=wrong; other={PASSWORD}"},
    ):
        encoded = {name.encode(): value.encode() for name, value in headers.items()}
        for path in (film, f"{address}index.html", f"{address}nothing"):
            answer = client.get(path, headers=encoded)
            assert (answer.status_code, "www-authenticate" in answer.headers) == (401, False), headers


def test_the_cookie_is_for_these_files_alone_and_scripts_cannot_read_it(client: TestClient, address: str) -> None:
    answer = client.get("/api/x", headers={**HEADER, "Sec-Fetch-Site": "same-origin"})
    private = "/".join(address.split("/")[:3])
    assert re.fullmatch(
        rf"{COOKIE}=[\w-]{{43}}; HttpOnly; SameSite=Strict; Path={private}/", answer.headers["set-cookie"]
    )
    assert len(private) > len("/outputs/") + 30


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Authorization": "Basic d3Jvbmc="},
        {"Sec-Fetch-Site": "cross-site", **HEADER},
        {"Sec-Fetch-Site": "same-site", **HEADER},
        HEADER,
    ],
)
def test_nobody_else_gets_it(client: TestClient, headers: dict[str, str]) -> None:
    assert "set-cookie" not in client.get("/api/health", headers=headers).headers


def test_nothing_else_is_sent(signed_in: TestClient, address: str) -> None:
    for path in (path for path in REFUSED if "." not in path.split("/") and ".." not in path.split("/")):
        answer = signed_in.get(f"{address}{path}", headers=HEADER)
        assert (answer.status_code, answer.text) == (404, "no such file\n"), path


@pytest.mark.parametrize(
    "path",
    [
        "films%2Friver/v001/film.mp4",
        "films/river%5Cv001/film.mp4",
        "%2e%2e/secret.json",
        "films/%2e%2e/index.html",
        "..%2fsecret.json",
        "%2e%2e%2fsecret.json",
        "index.html%00",
        "index.html%00.png",
        "index.html%2f",
        "%252e%252e/secret.json",
        "index%2ehtml%3f",
        "%ff/index.html",
        "films/river/v001/%c0%ae%c0%ae/film.mp4",
        "films/river/v००१/film.mp4",
    ],
)
def test_no_spelling_leads_elsewhere(client: TestClient, address: str, path: str) -> None:
    assert client.get(f"{address}{path}", headers=HEADER).status_code == 404


@pytest.mark.parametrize("path", ["/outputs/", "/outputs/x/", "/outputs/x/y/index.html", "/%6futputs/x/y/index.html"])
def test_an_address_cannot_be_guessed(client: TestClient, address: str, path: str) -> None:
    assert client.get(path, headers=HEADER).status_code == 404
    other = address.rstrip("/").rpartition("/")[0]
    assert client.get(f"{other}/{'0' * 12}/index.html", headers=HEADER).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_they_are_only_read(client: TestClient, address: str, method: str) -> None:
    answer = client.request(method, f"{address}index.html", headers=HEADER)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "rubbish"])
def test_no_page_of_another_origin_gets_them(signed_in: TestClient, address: str, site: str) -> None:
    for headers in ({"Sec-Fetch-Site": site}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "null"}):
        assert signed_in.get(f"{address}index.html", headers={**HEADER, **headers}).status_code == 403
    assert signed_in.get(f"{address}index.html", headers={**HEADER, "Host": "evil.example:4200"}).status_code == 421


def test_a_film_is_scrubbed(client: TestClient, address: str) -> None:
    film = f"{address}films/river/v001/film.mp4"
    whole = client.get(film, headers=HEADER)
    assert (whole.status_code, whole.headers["accept-ranges"], len(FILM) > CHUNK) == (200, "bytes", True)
    part = client.get(film, headers={**HEADER, "Range": "bytes=1000-300000"})
    assert (part.status_code, part.content) == (206, FILM[1000:300_001])
    assert part.headers["content-range"] == f"bytes 1000-300000/{len(FILM)}"
    assert part.headers["content-length"] == "299001"
    for header in ("bytes=0-1,5-6", f"bytes={len(FILM)}-", "bytes=" + "9" * 5000 + "-"):
        none = client.get(film, headers={**HEADER, "Range": header})
        assert (none.status_code, none.headers["content-range"]) == (416, f"bytes */{len(FILM)}")
    head = client.head(film, headers={**HEADER, "Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"], head.content) == (206, "10", b"")


def test_a_browser_keeps_what_has_not_changed(client: TestClient, address: str, store: Path) -> None:
    film = f"{address}films/river/v001/film.mp4"
    tag = client.get(film, headers=HEADER).headers["etag"]
    assert client.get(film, headers={**HEADER, "If-None-Match": tag}).status_code == 304
    part = {**HEADER, "Range": "bytes=0-9", "If-Range": tag}
    assert client.get(film, headers=part).status_code == 206
    (store / "films" / "river" / "v001" / "film.mp4").write_bytes(b"another")
    assert client.get(film, headers=part).content == b"another"
    assert client.get(film, headers={**HEADER, "If-None-Match": tag}).status_code == 200


def test_what_a_browser_may_do_with_a_file(client: TestClient, address: str) -> None:
    answers = {path: client.get(f"{address}{path}", headers=HEADER).headers for path in (*SERVED, "nothing")}
    for headers in answers.values():
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "private, no-cache"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert "unsafe-eval" not in headers["content-security-policy"]
    assert {Path(path).suffix: headers["content-type"] for path, headers in answers.items() if path != "nothing"} == {
        ".html": "text/html; charset=utf-8",
        ".mp4": "video/mp4",
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".json": "application/json",
        ".mkv": "video/x-matroska",
        ".log": "text/plain; charset=utf-8",
    }
    scripts = {
        path: re.findall(r"script-src [^;]*", headers["content-security-policy"]) for path, headers in answers.items()
    }
    assert {tuple(found) for path, found in scripts.items() if not path.endswith(".html")} == {()}
    (script,) = scripts["films/river/v001/index.html"]
    assert re.fullmatch(r"script-src 'sha256-[\w+/=]{44}'", script)
    assert page_script() not in script
    for path in ("logs/1-010-take1.log", "films/river/v001/film.json"):
        assert answers[path]["content-security-policy"].endswith("; sandbox")


def test_who_has_the_password_says_what_is_served(client: TestClient, store: Path, tmp_path: Path) -> None:
    ask = {"folder": str(store)}
    assert client.post("/outputs", json=ask).status_code == 401
    assert client.get("/outputs", headers=HEADER).status_code == 405
    link = tmp_path / "link"
    link.symlink_to(store)
    both = [client.post("/outputs", json={"folder": str(each)}, headers=HEADER).json() for each in (store, link)]
    assert both[0] == both[1]
    for folder in (str(tmp_path), "/", "outputs", "/no/such\0folder", "x" * 5000, f"{store}/films"):
        answer = client.post("/outputs", json={"folder": folder}, headers=HEADER)
        assert answer.status_code == 404, folder
        assert "is no store" in answer.text
    for content in (b"", b"[]", b"{}", b"\xff", b'{"folder": "' + b"x" * 20_000 + b'"}'):
        assert client.post("/outputs", content=content, headers=HEADER).status_code == 400


def test_addresses_stay_when_the_farm_is_started_again(store: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    first = ServedStores(home).add(str(store))
    (file,) = home.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = ServedStores(home)
    assert again.folder(first.split("/")[3]) == store
    assert again.add(str(store)) == first
    file.write_text('{"private": 1}', encoding="utf-8")
    assert ServedStores(home).add(str(store)) != first
    with pytest.raises(UsageError, match="is no store"):
        again.add(str(tmp_path))


def test_all_else_is_prefects(client: TestClient) -> None:
    for path in ("/", "/api/health", "/outputsx", "/api/outputs/x"):
        assert client.get(path).text == path
