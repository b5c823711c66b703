"""A ComfyUI that is not one: the same HTTP interface and websocket, the same queue in memory, nodes that fade pictures.

`crash` loses the queue, the history and all connections, as a killed process does; `start` begins anew on the same
port. Uploaded pictures stay, temporary ones go, as on a disk.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.backends.comfyui.fake_nodes import OUTPUT_CLASSES, frames_of, inputs_of_classes
from tests.ports import free_port


@dataclass
class Faults:
    """What goes wrong. Numbers count down: how many of the next requests are hit.

    lost_answers: a job is queued, and its answer breaks off. errors: answers of 500. damaged: pictures that end early.
    vanished: pictures that are not there. failing: class of a node → the error that it raises. redirect: to where every
    request is sent. huge: every answer is larger than 64 MiB.
    """

    lost_answers: int = 0
    errors: int = 0
    damaged: int = 0
    vanished: int = 0
    failing: dict[str, tuple[str, str]] = field(default_factory=dict)
    redirect: str = ""
    huge: bool = False

    def hits(self, name: str) -> bool:
        left: int = getattr(self, name)
        setattr(self, name, max(0, left - 1))
        return left > 0


class FakeComfyUI:
    """One server. executed: the take of every job that ran to its end. sent: of every job that was queued."""

    def __init__(self, folder: Path, *, has_websocket: bool = True) -> None:
        self.folder, self.faults, self.has_websocket = folder, Faults(), has_websocket
        self.step_seconds = 0.0
        self.held_from = 0
        self.held, self.is_holding = threading.Event(), threading.Event()
        self.held.set()
        self.executed: list[str] = []
        self.sent: list[str] = []
        self.requests: list[str] = []
        for name in ("input", "temp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    # Life

    def start(self) -> None:
        """Begin with an empty queue, history and temporary folder."""
        shutil.rmtree(self.folder / "temp")
        (self.folder / "temp").mkdir()
        self._queue: list[list[Any]] = []
        self._running: list[Any] | None = None
        self._history: dict[str, dict[str, Any]] = {}
        self._sockets: dict[str, list[WebSocket]] = {}
        self._number, self._alive, self._lock = 0, True, threading.Condition()
        config = uvicorn.Config(
            self._app(), "127.0.0.1", self.port, log_level="error", lifespan="off", ws_max_size=2**20
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        self._worker = threading.Thread(target=self._work, args=(self._lock,), daemon=True)
        self._worker.start()

    def crash(self) -> None:
        """Lose everything but the disk."""
        with self._lock:
            self._alive = False
            self._queue.clear()
            self._lock.notify_all()
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    @contextmanager
    def running(self) -> Iterator[FakeComfyUI]:
        self.start()
        try:
            yield self
        finally:
            self.held.set()
            self.crash()

    def _serve(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve())

    # What it answers

    def _app(self) -> Starlette:
        routes = [
            Route("/system_stats", self._stats),
            Route("/object_info/{name}", self._object_info),
            Route("/prompt", self._prompt, methods=["POST"]),
            Route("/queue", self._get_queue),
            Route("/history", self._get_history),
            Route("/history", self._forget, methods=["POST"]),
            Route("/history/{id}", self._get_history),
            Route("/free", self._free, methods=["POST"]),
            Route("/upload/image", self._upload, methods=["POST"]),
            Route("/view", self._view),
        ]
        for route in routes:
            route.app = _with_faults(self, route.app)
        socket_routes = [WebSocketRoute("/ws", self._socket)] if self.has_websocket else []
        return Starlette(routes=[*routes, *socket_routes])

    async def _stats(self, _: Request) -> Response:
        system = {"os": "posix", "comfyui_version": "0.3.71", "pytorch_version": "2.9.0"}
        return JSONResponse({"system": system, "devices": [{"name": "cuda:0 Fake", "type": "cuda", "index": 0}]})

    async def _object_info(self, request: Request) -> Response:
        name = request.path_params["name"]
        known = inputs_of_classes(self.folder / "input")
        is_output = name in OUTPUT_CLASSES
        return JSONResponse({name: {"input": known[name], "output_node": is_output}} if name in known else {})

    async def _prompt(self, request: Request) -> Response:
        body = await request.json()
        graph, client = body["prompt"], body.get("client_id")
        problem = self._validated(graph)
        if problem is not None:
            return JSONResponse(problem, 400)
        extra = {**body.get("extra_data", {}), **({} if client is None else {"client_id": client})}
        identity = str(uuid.uuid4())
        with self._lock:
            outputs = [node for node in graph if graph[node]["class_type"] in OUTPUT_CLASSES]
            self._queue.append([self._number, identity, graph, extra, outputs])
            self._number += 1
            self.sent.append(extra.get("wan_render", {}).get("take", ""))
            self._lock.notify_all()
        if self.faults.hits("lost_answers"):
            return _broken(b'{"prompt_id": "')
        return JSONResponse({"prompt_id": identity, "number": self._number - 1, "node_errors": {}})

    def _validated(self, graph: Mapping[str, Any]) -> dict[str, Any] | None:
        """The body of a refusal, as the real server's; None for a graph that can run."""
        known, found = inputs_of_classes(self.folder / "input"), {}
        for node, content in graph.items():
            kind = content["class_type"]
            if kind not in known:
                error = {
                    "type": "missing_node_type",
                    "message": f"Node '{kind}' not found.",
                    "details": f"Node ID '#{node}'",
                }
                return {"error": error, "node_errors": {}}
            reasons = [
                reason for name, spec in known[kind]["required"].items() if (reason := _wrong(content, name, spec))
            ]
            if reasons:
                found[node] = {"errors": reasons, "dependent_outputs": [], "class_type": kind}
        if not found:
            return None
        error = {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": "",
        }
        return {"error": error, "node_errors": found}

    async def _get_queue(self, _: Request) -> Response:
        with self._lock:
            running = [] if self._running is None else [self._running]
            return JSONResponse({"queue_running": running, "queue_pending": list(self._queue)})

    async def _get_history(self, request: Request) -> Response:
        with self._lock:
            wanted = request.path_params.get("id")
            found = self._history if wanted is None else {k: v for k, v in self._history.items() if k == wanted}
            return JSONResponse(dict(found))

    async def _forget(self, request: Request) -> Response:
        body = await request.json()
        with self._lock:
            for each in body.get("delete", []):
                self._history.pop(each, None)
        return Response()

    async def _free(self, _: Request) -> Response:
        return Response()

    async def _upload(self, request: Request) -> Response:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        form = BytesParser(policy=HTTP).parsebytes(head + await request.body())
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        subfolder, picture = parts["subfolder"].get_content(), parts["image"]
        folder = self.folder / "input" / subfolder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / picture.get_filename()).write_bytes(picture.get_payload(decode=True))
        return JSONResponse({"name": picture.get_filename(), "subfolder": subfolder, "type": "input"})

    async def _view(self, request: Request) -> Response:
        query = request.query_params
        file = self.folder / query["type"] / query.get("subfolder", "") / query["filename"]
        if self.faults.hits("vanished") or not file.is_file():
            return Response(status_code=404)
        if self.faults.hits("damaged"):
            return Response(file.read_bytes()[:-200], media_type="image/png")
        return FileResponse(file)

    async def _socket(self, socket: WebSocket) -> None:
        await socket.accept()
        client = socket.query_params.get("clientId", "")
        self._sockets.setdefault(client, []).append(socket)
        await socket.send_text(json.dumps({"type": "status", "data": {"status": {}, "sid": client}}))
        try:
            while True:
                await socket.receive()
        except (WebSocketDisconnect, RuntimeError):
            self._sockets[client].remove(socket)

    # What it does

    def _tell(self, client: str, kind: str, data: dict[str, Any]) -> None:
        for each in list(self._sockets.get(client, [])):
            asyncio.run_coroutine_threadsafe(each.send_text(json.dumps({"type": kind, "data": data})), self._loop)

    def _work(self, lock: threading.Condition) -> None:
        while True:
            with lock:
                lock.wait_for(lambda: self._queue or not self._alive or self._lock is not lock)
                if not self._alive or self._lock is not lock:
                    return
                self._running = self._queue.pop(0)
            self._run(self._running, lock)

    def _run(self, item: list[Any], lock: threading.Condition) -> None:
        _, identity, graph, extra, _ = item
        client = extra.get("client_id", "")
        outputs: dict[str, Any] = {}
        messages: list[Any] = [["execution_start", {"prompt_id": identity}]]
        for node, content in graph.items():
            kind = content["class_type"]
            self._tell(client, "executing", {"node": node, "prompt_id": identity})
            if kind == "KSampler":
                for step in range(content["inputs"]["steps"]):
                    if step >= self.held_from:
                        self.is_holding.set()
                        self.held.wait()
                    time.sleep(self.step_seconds)
                    if not self._alive or self._lock is not lock:
                        return None
                    told = {"value": step + 1, "max": content["inputs"]["steps"], "prompt_id": identity, "node": node}
                    self._tell(client, "progress", told)
            if kind in self.faults.failing:
                error, text = self.faults.failing[kind]
                told = {"prompt_id": identity, "node_id": node, "node_type": kind, "exception_message": text}
                messages.append(["execution_error", {**told, "exception_type": error, "traceback": []}])
                return self._end(item, {}, "error", messages, lock)
            if kind == "PreviewImage":
                outputs[node] = {"images": self._saved(graph, node, identity)}
        messages.append(["execution_success", {"prompt_id": identity}])
        return self._end(item, outputs, "success", messages, lock)

    def _saved(self, graph: Mapping[str, Any], node: str, identity: str) -> list[dict[str, str]]:
        names = []
        for number, frame in enumerate(frames_of(graph, node, self.folder / "input"), start=1):
            name = f"ComfyUI_temp_{identity[:5]}_{number:05}_.png"
            Image.fromarray(frame).save(self.folder / "temp" / name, compress_level=1)
            names.append({"filename": name, "subfolder": "", "type": "temp"})
        return names

    def _end(
        self, item: list[Any], outputs: dict[str, Any], said: str, messages: list[Any], lock: threading.Condition
    ) -> None:
        status = {"status_str": said, "completed": said == "success", "messages": messages}
        with lock:
            if not self._alive or self._lock is not lock:
                return
            self._history[item[1]] = {"prompt": item, "outputs": outputs, "status": status, "meta": {}}
            self._running = None
            self.executed.append(item[3].get("wan_render", {}).get("take", ""))
        self._tell(item[3].get("client_id", ""), f"execution_{said}", {"prompt_id": item[1]})


def _wrong(content: Mapping[str, Any], name: str, spec: Any) -> dict[str, Any] | None:
    value = content["inputs"].get(name)
    options = spec[1] if len(spec) > 1 else {}
    choices = spec[0] if isinstance(spec[0], list) else options.get("options")
    if value is None:
        return {"type": "required_input_missing", "message": "Required input is missing", "details": name}
    if choices is not None and value not in choices:
        return {
            "type": "value_not_in_list",
            "message": "Value not in list",
            "details": f"{name}: {value!r} not in {choices}",
        }
    return None


def _broken(beginning: bytes) -> Response:
    """An answer that ends before it is whole."""

    async def pieces() -> Any:
        yield beginning

    return StreamingResponse(pieces(), headers={"content-length": "500"}, media_type="application/json")


def _huge() -> Response:
    """Larger than any answer that is read."""

    async def pieces() -> Any:
        for _ in range(80):
            yield b" " * 2**20

    return StreamingResponse(pieces(), media_type="application/json")


def _with_faults(server: FakeComfyUI, app: Any) -> Any:
    async def faulty(scope: Any, receive: Any, send: Any) -> None:
        server.requests.append(f"{scope['method']} {scope['path']}")
        answer: Response | None = None
        if server.faults.redirect:
            answer = RedirectResponse(server.faults.redirect)
        elif server.faults.huge:
            answer = _huge()
        elif server.faults.hits("errors"):
            answer = Response(status_code=500)
        await (app if answer is None else answer)(scope, receive, send)

    return faulty
