"""A hub on loopback that serves folders as Hugging Face and ModelScope do; told to, it fails as networks do."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL_BYTES = 30_000
"""Files above it are in large file storage, which Hugging Face redirects to."""


@dataclass
class FakeHub:
    """What is served, and how it fails.

    folder:    the repository. cut: by path, after how many bytes an answer breaks off, once for each entry.
    lies:      paths of which the last byte is sent wrong. deaf: whether ranges are ignored. page: files in a listing.
    pause:     waited for between two pieces of a file, so that a test can interrupt.
    asked:     (path, first byte) of every request for a file's bytes.
    tokens, tokens_of_api: of requests to the storage, and to the hub.
    """

    folder: Path
    repository: str
    endpoint: str = ""
    cut: dict[str, list[int]] = field(default_factory=dict)
    lies: set[str] = field(default_factory=set)
    deaf: bool = False
    page: int = 1000
    pause: threading.Event | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    tokens_of_api: set[str | None] = field(default_factory=set)

    def paths(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def bytes_of(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def is_large(self, path: str) -> bool:
        return len(self.bytes_of(path)) > SMALL_BYTES


@contextmanager
def serving(folder: Path, repository: str) -> Iterator[FakeHub]:
    """The hub, on a port of its own."""
    hub = FakeHub(folder, repository)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Not on a test's stderr."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path, query = unquote(address.path), {key: value[0] for key, value in parse_qs(address.query).items()}
        repository = self.hub.repository
        if not path.startswith("/storage/"):
            self.hub.tokens_of_api.add(self.headers.get("Authorization"))
        if path in {f"/api/models/{repository}/revision/main", f"/api/models/{repository}/revision/{COMMIT}"}:
            self._json({"id": repository, "sha": COMMIT, "siblings": []})
        elif path == f"/api/models/{repository}/tree/{COMMIT}":
            self._tree(int(query.get("cursor", 0)))
        elif path.startswith(f"/{repository}/resolve/{COMMIT}/"):
            self._resolve(path.removeprefix(f"/{repository}/resolve/{COMMIT}/"))
        elif path.startswith("/storage/"):
            self.hub.tokens.append(self.headers.get("Authorization"))
            self._bytes(path.removeprefix("/storage/"))
        elif path == f"/api/v1/models/{repository}/repo/files":
            self._modelscope_listing(query["Revision"])
        elif path == f"/api/v1/models/{repository}/repo" and query["Revision"] == "master":
            self._bytes(query["FilePath"])
        else:
            self._answer(404, b'{"error": "not found"}')

    def _tree(self, first: int) -> None:
        paths = self.hub.paths()
        entries: list[dict[str, object]] = [{"type": "directory", "path": "vae", "oid": "0" * 40, "size": 0}]
        for path in paths[first : first + self.hub.page]:
            content = self.hub.bytes_of(path)
            entry = {"type": "file", "path": path, "size": len(content), "oid": _blob(content)}
            if self.hub.is_large(path):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        following = first + self.hub.page
        headers = {}
        if following < len(paths):
            page = f"{self.hub.endpoint}/api/models/{self.hub.repository}/tree/{COMMIT}?cursor={following}"
            headers["Link"] = f'<{page}>; rel="next"'
        self._json(entries, headers)

    def _resolve(self, path: str) -> None:
        if path not in self.hub.paths():
            self._answer(404, b"")
        elif self.hub.is_large(path):
            sha256 = hashlib.sha256(self.hub.bytes_of(path)).hexdigest()
            size = str(len(self.hub.bytes_of(path)))
            storage = f"{self.hub.endpoint.replace('127.0.0.1', 'localhost')}/storage/{quote(path)}"  # another host
            facts = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": size}
            self._answer(302, b"", {"Location": storage, **facts})
        else:
            self._bytes(path, {"X-Repo-Commit": COMMIT, "ETag": f'"{_blob(self.hub.bytes_of(path))}"'})

    def _modelscope_listing(self, revision: str) -> None:
        """An unknown revision is answered with success and no files."""
        files: list[dict[str, object]] | None = None
        if revision == "master":
            files = [{"Type": "tree", "Path": "vae", "Size": 0}]
            for path in self.hub.paths():
                content = self.hub.bytes_of(path)
                sha256 = hashlib.sha256(content).hexdigest()
                files.append({"Type": "blob", "Path": path, "Size": len(content), "Sha256": sha256, "Revision": COMMIT})
        data = {"Files": files, "LatestCommitter": {"Id": "", "ShortId": COMMIT[:8]} if files else None}
        self._json({"Code": 200, "Success": True, "Message": "success", "Data": data})

    def _bytes(self, path: str, headers: dict[str, str] | None = None) -> None:
        content = self.hub.bytes_of(path)
        if path in self.hub.lies:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = self.headers.get("Range")
        first = int(asked.removeprefix("bytes=").partition("-")[0]) if asked and not self.hub.deaf else 0
        if self.command == "GET":
            self.hub.asked.append((path, first))
        status = 206 if asked and not self.hub.deaf else 200
        facts = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if status == 206 else {}
        self._answer(status, content[first:], {**facts, **(headers or {})}, path)

    def _json(self, value: object, headers: dict[str, str] | None = None) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, path: str = "") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self._send(body, path)

    def _send(self, body: bytes, path: str) -> None:
        cuts = self.hub.cut.get(path)
        if cuts:
            body = body[: cuts.pop(0)]
            self.close_connection = True
        try:
            for start in range(0, len(body), 20_000):
                self.wfile.write(body[start : start + 20_000])
                if self.hub.pause is not None and path.endswith(".safetensors"):
                    self.wfile.flush()
                    self.hub.pause.wait(60)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
