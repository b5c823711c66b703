"""The jobs of a server: found again by the key of their take, sent, followed, and how they ended.

A job carries its take's key in `extra_data`, which the server keeps in its queue and in its history. So a job is found
again after this process, or the answer to its submission, was lost. The queue is asked before the history: a job moves
from one to the other, never back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

from wan_render.backends.comfyui.take_graph import FRAMES_NODE
from wan_render.bounded_http import HttpError, HttpService
from wan_render.errors import DeviceError, Problem, RenderError, WanRenderError
from wan_render.printable import one_line, shortened, shown

MARK = "wan_render"
"""The key of `extra_data` that holds the take's key."""

NEWEST = 200
"""How many entries of the history are looked through."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_FOLDERS = ("temp", "output")
_LONGEST_NAME = 500


class JobState(StrEnum):
    """Where a job is. LOST: in neither queue nor history, as after a restart of the server."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True)
class Job:
    """A job on a server. client: whom the server tells its progress."""

    id: str
    client: str


@dataclass(frozen=True)
class StoredImage:
    """A picture on the server, by the parameters of /view. They are sent back to the server and used for nothing
    else."""

    filename: str
    subfolder: str
    type: str

    @property
    def parameters(self) -> Mapping[str, str]:
        """Of a request for it."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


@dataclass(frozen=True)
class JobReport:
    """How a job is. images: the frames of a finished one, in order. error: why it failed."""

    state: JobState
    images: tuple[StoredImage, ...] = ()
    error: WanRenderError | None = None


def find_job(service: HttpService, key: str) -> Job | None:
    """The job of a take that waits, runs or is done. Raises HttpError."""
    queue = service.get_json("/queue")
    for item in (*_items(queue, "queue_running"), *_items(queue, "queue_pending")):
        if (job := _job_of(item, key)) is not None:
            return job
    history = service.get_json(f"/history?max_items={NEWEST}")
    for entry in reversed(list(history.values())) if isinstance(history, dict) else ():
        job = _job_of(entry.get("prompt"), key) if isinstance(entry, dict) else None
        if job is not None and _report(entry, service.base).state is JobState.DONE:
            return job
    return None


def send_job(service: HttpService, graph: Mapping[str, Any], key: str, client: str) -> Job:
    """Put a job in the queue. Raises RenderError if the server refuses it, with the node; HttpError if it may not have
    been heard."""
    body = {"prompt": graph, "client_id": client, "extra_data": {MARK: {"take": key}}}
    try:
        answer = service.post_json("/prompt", body)
    except HttpError as error:
        if error.status == 400:
            raise RenderError(*_refusals(error, graph, service.base)) from None
        raise
    found = answer.get("prompt_id") if isinstance(answer, dict) else None
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise HttpError("the answer to a job has no prompt_id", 200)
    return Job(found, client)


def job_report(service: HttpService, job: Job) -> JobReport:
    """How a job is now. Raises HttpError."""
    if (ended := _ended(service, job)) is not None:
        return ended
    queue = service.get_json("/queue")
    for name, state in (("queue_running", JobState.RUNNING), ("queue_pending", JobState.WAITING)):
        if any(_id_of(item) == job.id for item in _items(queue, name)):
            return JobReport(state)
    return _ended(service, job) or JobReport(JobState.LOST)  # it may have ended between both questions


def forget_job(service: HttpService, job: Job) -> None:
    """Remove a job from the server's history. Raises HttpError."""
    service.post_json("/history", {"delete": [job.id]})


def _ended(service: HttpService, job: Job) -> JobReport | None:
    history = service.get_json(f"/history/{job.id}")
    entry = history.get(job.id) if isinstance(history, dict) else None
    return _report(entry, service.base) if isinstance(entry, dict) else None


def _report(entry: Mapping[str, Any], base: str) -> JobReport:
    status = entry.get("status")
    messages = status.get("messages") if isinstance(status, dict) else None
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, list) and len(message) == 2 and isinstance(message[1], dict):
            if message[0] == "execution_error":
                return JobReport(JobState.FAILED, error=_failure(message[1], base))
            if message[0] == "execution_interrupted":
                problem = Problem(base, "the job was interrupted there", "", "let it render, or take the server out")
                return JobReport(JobState.FAILED, error=DeviceError(problem))
    if isinstance(status, dict) and status.get("status_str") == "error":
        return JobReport(JobState.FAILED, error=RenderError(Problem(base, "the job failed, and nothing says why")))
    return JobReport(JobState.DONE, tuple(_images(entry)))


def _images(entry: Mapping[str, Any]) -> Iterator[StoredImage]:
    """The frames among the outputs of a job; none if something about them is strange."""
    outputs = entry.get("outputs")
    ours = outputs.get(FRAMES_NODE) if isinstance(outputs, dict) else None
    images = ours.get("images") if isinstance(ours, dict) else None
    for image in images if isinstance(images, list) else ():
        name, folder, kind = (_map(image).get(key, "") for key in ("filename", "subfolder", "type"))
        if not (_is_name(name) and kind in _FOLDERS and (folder in ("", None) or _is_name(folder))):
            raise HttpError(f"the history names a strange file: {shown(str(name))}", 200)
        yield StoredImage(name, folder or "", kind)


def _failure(told: Mapping[str, Any], base: str) -> WanRenderError:
    """An execution_error, with its node. Another server may have the memory that this one lacks."""
    name = _node(told.get("node_id"), told.get("node_type"))
    text, kind = _words(told.get("exception_message", "")), _words(told.get("exception_type", ""))
    problem = Problem(base, f"{name} failed: {kind}: {text}" if kind else f"{name} failed: {text}")
    return DeviceError(problem) if "OutOfMemory" in kind else RenderError(problem)


def _refusals(error: HttpError, graph: Mapping[str, Any], base: str) -> Iterator[Problem]:
    """Why a job was refused: each node with its reasons."""
    nodes = error.fields.get("node_errors")
    count = 0
    for node, found in _map(nodes).items():
        for reason in _map(found).get("errors") or ():
            said = [_words(_map(reason).get(key, "")) for key in ("message", "details")]
            class_type = graph.get(node, {}).get("class_type") or _map(found).get("class_type")
            count += 1
            yield Problem(base, f"{_node(node, class_type)} is refused: {': '.join(filter(None, said))}")
    if not count:
        fault = _map(error.fields.get("error")).get("message")
        yield Problem(base, f"refuses the workflow: {_words(fault or error.text)}")


def _node(node: Any, class_type: Any) -> str:
    return f"node {shown(str(node)[:100])} ({_words(class_type)})"


def _words(text: Any) -> str:
    """Foreign text on one line, not too long."""
    return shortened(one_line(" ".join(str(text).split())), 300)


def _job_of(item: Any, key: str) -> Job | None:
    """The job of an entry of the queue, if it is that of a take: [number, id, graph, extra_data, …]."""
    extra = item[3] if isinstance(item, list) and len(item) > 3 and isinstance(item[3], dict) else {}
    mark, client = extra.get(MARK), extra.get("client_id")
    found = _id_of(item)
    if found is None or not isinstance(mark, dict) or mark.get("take") != key:
        return None
    return Job(found, client if isinstance(client, str) and _ID.fullmatch(client) else "")


def _id_of(item: Any) -> str | None:
    found = item[1] if isinstance(item, list) and len(item) > 1 else None
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def _items(queue: Any, name: str) -> list[Any]:
    found = queue.get(name) if isinstance(queue, dict) else None
    return found if isinstance(found, list) else []


def _map(value: Any) -> Mapping[str, Any]:
    """A JSON object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def _is_name(name: Any) -> TypeGuard[str]:
    return isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and one_line(name) == name
