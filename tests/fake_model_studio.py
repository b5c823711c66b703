"""A stand-in for Alibaba Model Studio's video tasks: real HTTP, real videos, and every fault that money fears.

It follows the pages that docs/cloud.md names. It counts what it bills, so that a test can see a take that is paid
twice. `Faults` decides about each request.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image, ImageOps

KEY = "sk-of-beijing-0123456789abcdef"
"""The key that this region accepts."""

SUBMIT_PATHS = (
    "/api/v1/services/aigc/video-generation/video-synthesis",
    "/api/v1/services/aigc/image2video/video-synthesis",
)
SECOND = {"480P": 0.3, "720P": 0.6, "1080P": 1.0}
LINES = {"480P": 480, "720P": 720, "1080P": 1080}
SHRINK = 6
"""Videos are this many times smaller than the service's, so that a test does not wait for x264."""

RATE = 30

Faults = Callable[[str, str], str]
"""`submit`, `poll` or `video`, and the task's id ("" for a submit) → the name of a fault; "" for none."""


def no_faults(_request: str, _task: str) -> str:
    """Every request is answered."""
    return ""


@dataclass
class Task:
    """What was ordered. content: of the order, equal for equal orders. polls: answered so far."""

    id: str
    content: str
    body: dict[str, Any]
    end: str = "SUCCEEDED"
    polls: int = 0
    was_answered: bool = False


@dataclass
class FakeService:
    """The state of the service. needed_polls: how many polls a task is still running."""

    faults: Faults = no_faults
    needed_polls: int = 1
    skew: float = 0.0
    tasks: dict[str, Task] = field(default_factory=dict)
    billed: dict[str, float] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    seen_keys: set[str] = field(default_factory=set)
    base: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paid(self) -> Counter[str]:
        """How many tasks were billed for each content."""
        return Counter(self.tasks[task].content for task in self.billed)

    @property
    def total(self) -> float:
        """What it bills in all, in CNY."""
        return round(sum(self.billed.values()), 6)

    def ordered(self, body: dict[str, Any]) -> Task:
        """A new task."""
        content = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        with self.lock:
            task = Task(f"task-{len(self.tasks):04}-{content[:8]}", content, body)
            self.tasks[task.id] = task
        return task

    def bill(self, task: Task) -> None:
        """A task is billed once, when it has succeeded."""
        parameters = task.body["parameters"]
        with self.lock:
            self.billed[task.id] = SECOND[parameters["resolution"]] * parameters["duration"]


@contextmanager
def serving(service: FakeService) -> Iterator[FakeService]:
    """The service on a port of this machine."""
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    service.base = f"http://127.0.0.1:{server.server_address[1]}/api/v1"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def variables(service: FakeService, **others: str) -> dict[str, str]:
    """The environment of a machine that uses it."""
    return {
        "DASHSCOPE_API_KEY": KEY,
        "WAN_RENDER_DASHSCOPE_URL": service.base,
        "WAN_RENDER_CLOUD_HOSTS": urlsplit(service.base).netloc,
        "WAN_RENDER_CLOUD_POLL_SECONDS": "0.01",
        **others,
    }


class _HangUpError(Exception):
    """The connection is closed without an answer."""


class _Handler(BaseHTTPRequestHandler):
    service: FakeService
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The service's clock may be wrong."""
        return super().date_time_string((timestamp or time.time()) + self.service.skew)

    def do_POST(self) -> None:
        self._answered(self._submit)

    def do_GET(self) -> None:
        self._answered(self._video if self.path.startswith("/videos/") else self._poll)

    def _answered(self, handle: Callable[[], None]) -> None:
        try:
            handle()
        except (_HangUpError, BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            self.connection.close()

    def _submit(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused():
            return
        fault = self.service.faults("submit", "")
        self.service.requests[f"submit {fault}".strip()] += 1
        if fault in ("request lost", "500", "429", "redirect"):
            self._fail(fault)
            return
        if (mistake := _mistake(self.path, body, self.headers)) is not None:
            self._json(400, {"code": "InvalidParameter", "message": mistake, "request_id": "r"})
            return
        task = self.service.ordered(body)
        if fault:
            self._fail(fault)
            return
        task.was_answered = True
        output = {"task_id": task.id, "task_status": "PENDING"}
        self._json(200, {"request_id": "r", "output": output})

    def _poll(self) -> None:
        if self._refused():
            return
        name = self.path.rpartition("/")[2]
        task = self.service.tasks.get(name)
        if task is None:
            self._json(404, {"code": "TaskNotFound", "message": "no such task", "request_id": "r"})
            return
        fault = self.service.faults("poll", name)
        self.service.requests[f"poll {fault}".strip()] += 1
        if fault in ("FAILED", "CANCELED", "UNKNOWN"):
            if name not in self.service.billed:
                task.end = fault
            fault = ""
        if fault:
            self._fail(fault)
            return
        task.polls += 1
        self._json(200, self._state(task))

    def _state(self, task: Task) -> dict[str, Any]:
        submitted = time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(time.time() + self.service.skew))
        output: dict[str, Any] = {"task_id": task.id, "submit_time": submitted}
        if task.polls <= self.service.needed_polls:
            return {"request_id": "r", "output": output | {"task_status": "PENDING" if task.polls < 2 else "RUNNING"}}
        output |= {"task_status": task.end}
        if task.end != "SUCCEEDED":
            return {"request_id": "r", "output": output | {"code": "DataInspectionFailed", "message": f"{KEY} said no"}}
        self.service.bill(task)
        parameters = task.body["parameters"]
        host = self.service.base.removesuffix("/api/v1")
        usage = {
            "video_count": 1,
            "video_duration": parameters["duration"],
            "SR": LINES[parameters["resolution"]],
        }
        url = f"{host}/videos/{task.id}?Signature=secret"
        return {"request_id": "r", "output": output | {"video_url": url}, "usage": usage}

    def _video(self) -> None:
        task = self.service.tasks[urlsplit(self.path).path.rpartition("/")[2]]
        if self.headers.get("Authorization"):
            self.service.seen_keys.add("video")
        fault = self.service.faults("video", task.id)
        self.service.requests[f"video {fault}".strip()] += 1
        content = video_of(task.body, fault)
        if fault in ("truncated", "cut", "wrong size", "wrong length", "wrong end", "not a video", ""):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) * (2 if fault == "truncated" else 1)))
            self.end_headers()
            self.wfile.write(content)
            if fault == "truncated":
                raise _HangUpError
            return
        self._fail(fault)

    def _refused(self) -> bool:
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.service.seen_keys.add(key)
        if key == KEY:
            return False
        said = f"Incorrect API key provided: {key}"
        self._json(401, {"code": "InvalidApiKey", "message": said, "request_id": "r"})
        return True

    def _fail(self, fault: str) -> None:
        match fault:
            case "request lost" | "answer lost":
                raise _HangUpError
            case "429":
                self._json(429, {"code": "Throttling.RateQuota", "message": "too many", "request_id": "r"})
            case "garbage":
                self._send(200, b"<html>a proxy's page</html>")
            case "key as id":
                self._json(200, {"request_id": "r", "output": {"task_id": KEY, "task_status": "PENDING"}})
            case "no id":
                self._json(200, {"request_id": "r", "output": {"task_status": "PENDING"}})
            case "redirect":
                self.send_response(307)
                self.send_header("Location", "http://localhost:1/steal")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "huge":
                self.send_response(200)
                self.end_headers()
                for _ in range(64):
                    self.wfile.write(b" " * 2**16)
                raise _HangUpError
            case _:
                self._json(int(fault.split()[0]), {"code": "InternalError", "message": fault, "request_id": "r"})

    def _json(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _mistake(path: str, body: dict[str, Any], headers: Any) -> str | None:
    """What the service would refuse about an order."""
    if path not in SUBMIT_PATHS:
        return f"unknown path {path}"
    if headers.get("X-DashScope-Async") != "enable":
        return "current user api does not support synchronous calls"
    parameters, given = body["parameters"], body["input"]
    if parameters["resolution"] not in SECOND or not 2 <= parameters["duration"] <= 15:
        return "resolution or duration"
    if not 0 <= parameters["seed"] < 2**31:
        return "seed"
    for picture in _pictures(given).values():
        width, height = picture.size
        if min(width, height) < 240 or max(width, height) > 8000:
            return f"a picture of {width}x{height}"
    return None if "first" in _pictures(given) else "no first frame"


def _pictures(given: dict[str, Any]) -> dict[str, Image.Image]:
    urls = {each["type"].partition("_")[0]: each["url"] for each in given.get("media", ())}
    urls |= {end: given[f"{end}_frame_url"] for end in ("first", "last") if f"{end}_frame_url" in given}
    head = "data:image/png;base64,"
    return {end: Image.open(io.BytesIO(base64.b64decode(url.removeprefix(head)))) for end, url in urls.items()}


def video_of(body: dict[str, Any], fault: str = "") -> bytes:
    """An MP4 that fades from the first picture to the last one."""
    if fault == "not a video":
        return b"<Error><Code>AccessDenied</Code></Error>"
    content = _encoded(json.dumps(body, sort_keys=True), fault if fault.startswith("wrong") else "")
    return content[: len(content) // 2] if fault == "cut" else content


@lru_cache(maxsize=64)
def _encoded(order: str, fault: str) -> bytes:
    import av

    body = json.loads(order)
    pictures, parameters = _pictures(body["input"]), body["parameters"]
    first = pictures["first"].convert("RGB")
    last = pictures.get("last", first).convert("RGB")
    if fault == "wrong end":
        last = ImageOps.invert(first)
    short = LINES[parameters["resolution"]] // SHRINK
    scale = short / min(first.size)
    width, height = (round(side * scale / 8) * 8 for side in first.size)
    if fault == "wrong size":
        width, height = height, width
    frames = RATE * (1 if fault == "wrong length" else parameters["duration"])
    ends = [np.asarray(each.resize((width, height)), np.float32) for each in (first, last)]
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for at in range(frames):
            share = at / (frames - 1)
            light = 1 - 0.3 * share * (1 - share) * (parameters["seed"] % 7)  # another seed, another performance
            picture = (((1 - share) * ends[0] + share * ends[1]) * light).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return target.getvalue()


def main() -> None:
    """Serve until stdin ends; print the environment of a machine that uses it."""
    import sys

    with serving(FakeService()) as service:
        for name, value in variables(service).items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.flush()
        sys.stdin.read()
        sys.stdout.write(f"# billed {service.total} CNY for {len(service.billed)} tasks\n")


if __name__ == "__main__":
    main()
