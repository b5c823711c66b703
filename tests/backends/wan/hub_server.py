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

API = ""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL_BYTES = 30_000
"""Files above it are in large file storage, which Hugging Face redirects to."""


@dataclass
class FakeHub:
    """What is served, and how it fails.

    folder:    the repository. cut: by path, after how many bytes an answer breaks off, once for each entry.
    lies:      paths of which the last byte is sent wrong. excess: by path, bytes that are sent, or missing, at the end.
    fails:     by path, or API for listings: statuses that are answered, once each, with the headers `failing`.
    deaf:      whether ranges are ignored. page: files in a page of a listing; next_host: where the next page is.
    checksums: by path, what a listing says in place of the true one.
    wants:     the token without which the files are gated. listing_bytes: how much white space is before a listing.
    pause:     waited for between two pieces of a file after `silent_after` bytes, so that a test can interrupt.
    asked:     (path, first byte) of every request for a file's bytes.
    tokens:    of every request, by the host that it named.
    """

    folder: Path
    repository: str
    endpoint: str = ""
    cut: dict[str, list[int]] = field(default_factory=dict)
    lies: set[str] = field(default_factory=set)
    excess: dict[str, int] = field(default_factory=dict)
    fails: dict[str, list[int]] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    deaf: bool = False
    page: int = 1000
    next_host: str = ""
    wants: str = ""
    listing_bytes: int = 0
    pause: threading.Event | None = None
    silent_after: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    tokens: dict[str, set[str | None]] = field(default_factory=dict)

    def paths(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def bytes_of(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    @property
    def elsewhere(self) -> str:
        """The same server as another host: the storage."""
        return self.endpoint.replace("127.0.0.1", "localhost")

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
        host = self.headers["Host"].partition(":")[0]
        self.hub.tokens.setdefault(host, set()).add(self.headers.get("Authorization"))
        root = f"/{self.hub.repository}/resolve/{COMMIT}/"
        if path.startswith("/api/v1/"):
            self._modelscope(path, query)
        elif path.startswith("/api/"):
            self._hugging_face(path, query)
        elif path.startswith(root):
            self._resolve(path.removeprefix(root))
        elif path.startswith("/storage/"):
            self._bytes(path.removeprefix("/storage/"))
        else:
            self._answer(404, b'{"error": "not found"}')

    def _modelscope(self, path: str, query: dict[str, str]) -> None:
        api = f"/api/v1/models/{self.hub.repository}/repo"
        if self._fails(query.get("FilePath", API)):
            return
        if path == f"{api}/files":
            self._modelscope_listing(query["Revision"])
        elif path == api and query["Revision"] == "master":
            self._bytes(query["FilePath"])
        else:
            self._answer(404, b'{"error": "not found"}')

    def _hugging_face(self, path: str, query: dict[str, str]) -> None:
        api = f"/api/models/{self.hub.repository}"
        if self._fails(API):
            return
        if path in {f"{api}/revision/main", f"{api}/revision/{COMMIT}"}:
            self._json({"id": self.hub.repository, "sha": COMMIT, "siblings": []})
        elif path == f"{api}/tree/{COMMIT}":
            self._tree(int(query.get("cursor", 0)))
        elif path.startswith(f"{api}/"):
            self._answer(404, b'{"error": "Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"})
        else:
            self._answer(401, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})

    def _fails(self, what: str) -> bool:
        """Whether it is told to, and did."""
        statuses = self.hub.fails.get(what, [])
        if statuses:
            self._answer(statuses.pop(0), b'{"error": "busy"}', self.hub.failing)
            return True
        return False

    def _tree(self, first: int) -> None:
        paths = self.hub.paths()
        entries: list[dict[str, object]] = [{"type": "directory", "path": "vae", "oid": "0" * 40, "size": 0}]
        for path in paths[first : first + self.hub.page]:
            content = self.hub.bytes_of(path)
            entry = {
                "type": "file",
                "path": path,
                "size": len(content),
                "oid": self.hub.checksums.get(path, _blob(content)),
            }
            if self.hub.is_large(path):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        following = first + self.hub.page
        headers = {}
        if following < len(paths):
            root = self.hub.next_host or self.hub.endpoint
            headers["Link"] = f'<{root}/api/models/{self.hub.repository}/tree/{COMMIT}?cursor={following}>; rel="next"'
        self._json(entries, headers)

    def _resolve(self, path: str) -> None:
        token = self.headers.get("Authorization")
        if self._fails(path):
            return
        if path not in self.hub.paths():
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        elif self.hub.wants and token != f"Bearer {self.hub.wants}":
            error = b'{"error": "Access to model is restricted. Visit its page to ask for access."}'
            self._answer(401 if token is None else 403, error, {"X-Error-Code": "GatedRepo"})
        elif self.hub.is_large(path):
            sha256 = hashlib.sha256(self.hub.bytes_of(path)).hexdigest()
            size = str(len(self.hub.bytes_of(path)))
            storage = f"{self.hub.elsewhere}/storage/{quote(path)}"
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
                sha256 = self.hub.checksums.get(path, hashlib.sha256(content).hexdigest())
                files.append({"Type": "blob", "Path": path, "Size": len(content), "Sha256": sha256, "Revision": COMMIT})
        data = {"Files": files, "LatestCommitter": {"Id": "", "ShortId": COMMIT[:8]} if files else None}
        self._json({"Code": 200, "Success": True, "Message": "success", "Data": data})

    def _bytes(self, path: str, headers: dict[str, str] | None = None) -> None:
        content = self.hub.bytes_of(path)
        if path in self.hub.lies:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if (excess := self.hub.excess.get(path, 0)) != 0:
            content = content + bytes(excess) if excess > 0 else content[:excess]
        asked = None if self.hub.deaf else self.headers.get("Range")
        first = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if self.command == "GET":
            self.hub.asked.append((path, first))
        if asked is None:
            self._answer(200, content, headers, path)
        elif first >= len(content):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            place = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
            self._answer(206, content[first:], {**place, **(headers or {})}, path)

    def _json(self, value: object, headers: dict[str, str] | None = None) -> None:
        text = b" " * self.hub.listing_bytes + json.dumps(value).encode()
        self._answer(200, text, {"Content-Type": "application/json", **(headers or {})})

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
                is_silent = start + 20_000 > self.hub.silent_after and path.endswith(".safetensors")
                if self.hub.pause is not None and is_silent:
                    self.wfile.flush()
                    self.hub.pause.wait(60)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def handle_one_request(self) -> None:
        """A client that leaves is no failure."""
        try:
            super().handle_one_request()
        except ConnectionResetError:
            self.close_connection = True


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
