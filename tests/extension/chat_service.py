"""A language model's service: real HTTP, with the faults that real ones have. It answers what a script says, one step
for each request; the last step is repeated."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Step = str | int | bytes | Callable[[dict[str, Any]], str]
"""A text to answer with; a status; raw bytes of a body; or a function of the request."""

HANG = -1
DRIP = -2
REDIRECT = -3


@dataclass
class ChatService:
    """What it was asked, and what it answers. other: where a redirect leads to."""

    script: list[Step]
    other: str = ""
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def step(self) -> Step:
        return self.script[min(len(self.asked), len(self.script)) - 1]

    @property
    def texts(self) -> list[str]:
        """The texts of the questions, without pictures."""
        return [asked["messages"][1]["content"][0]["text"] for asked in self.asked]


def completion(text: str, ended: str = "stop") -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": ended}]}).encode()


class _Handler(BaseHTTPRequestHandler):
    """Answers for the service of its server."""

    server: _Server

    def do_POST(self) -> None:
        service = self.server.service
        service.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        service.keys.append(self.headers.get("Authorization"))
        step = service.step()
        if step == HANG:
            service.ended.wait(30)
        elif step == DRIP:
            self.drip(service.ended)
        elif step == REDIRECT:
            self.say(307, b"", f"{service.other}/chat/completions")
        elif isinstance(step, int):
            self.say(step, json.dumps({"error": {"message": f"no: {service.keys[-1]}"}}).encode())
        else:
            text = step(service.asked[-1]) if callable(step) else step
            self.say(200, text if isinstance(text, bytes) else completion(text))

    def drip(self, ended: threading.Event) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not ended.wait(0.05):
            try:
                self.wfile.write(b"X-Slow: yes\r\n")
            except OSError:
                return

    def say(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        with suppress(OSError):  # the other side may have read enough
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in http.server
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, service: ChatService) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = service


@contextmanager
def chat_service(*script: Step) -> Iterator[ChatService]:
    """The service, until it is not needed any more."""
    service = ChatService(list(script))
    server = _Server(service)
    service.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
