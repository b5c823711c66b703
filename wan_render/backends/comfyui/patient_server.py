"""One ComfyUI server, asked with patience: it may be away for as long as a restart takes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from wan_render.backends.comfyui.progress_feed import ProgressFeed, progress_feed
from wan_render.backends.comfyui.server_jobs import (
    Job,
    JobReport,
    JobState,
    StoredImage,
    find_job,
    forget_job,
    job_report,
    send_job,
)
from wan_render.backends.comfyui.servers import ComfyServer
from wan_render.backends.comfyui.take_graph import DamagedFrameError, frame_pixels, picture_bytes
from wan_render.bounded_http import HttpError, HttpService
from wan_render.errors import DeviceError, Problem, RenderError
from wan_render.printable import logger
from wan_render.quiet_time import patience
from wan_render.render_values import Listen, Phase, Pixels, Progress
from wan_render.take import Take

POLL_SECONDS = 1.0
RESTART_SECONDS = 300.0
"""How long a server may be away before the attempt ends: enough to start ComfyUI again."""

SILENT_SECONDS, UNHEARD_SECONDS = 1800.0, 6 * 3600.0
"""How long a running job may show no progress: if its progress is heard, and if it is not."""

STEP_SECONDS = 30.0
"""From this silence between two steps on, seconds are counted: the next model may be loaded."""

LOOK_SECONDS = 3.0
"""How long a server may take to say whether it has a job that another one is asked for."""

SUBFOLDER = "wan-render"
"""Of the server's input folder: where keyframes are uploaded to."""

Answer = TypeVar("Answer")
_log = logger(__name__)


class PatientServer:
    """A server. Its methods raise DeviceError if it stays away, or shows no progress."""

    def __init__(self, server: ComfyServer) -> None:
        self._server = server
        self.base = server.base

    def stats(self, listen: Listen) -> Any:
        """What it says of itself: versions and devices."""
        return self.patiently(lambda: self._service().get_json("/system_stats"), listen)

    def known_job(self, key: str) -> Job | None:
        """The job of a take, if the server has one and answers soon."""
        try:
            return find_job(self._server.service(LOOK_SECONDS), key)
        except HttpError:
            return None

    def job(self, key: str, make_graph: Callable[[], Mapping[str, Any]], client: str, listen: Listen) -> Job:
        """The take's job: found, or sent now. After a lost answer it is looked for before it is sent again."""

        def found_or_sent() -> Job:
            found = find_job(self._service(), key)
            return found or send_job(self._service(), make_graph(), key, client)

        return self.patiently(found_or_sent, listen)

    def uploaded(self, picture: Pixels) -> str:
        """The name of a picture on the server. Equal pictures have equal names."""
        content = picture_bytes(picture)
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.png"
        fields = {"type": "input", "subfolder": SUBFOLDER, "overwrite": "true"}
        answer = self._service().post_multipart("/upload/image", fields, {"image": (name, content, "image/png")})
        kept = [answer.get(key, "") for key in ("subfolder", "name")] if isinstance(answer, dict) else []
        if not kept or not all(isinstance(part, str) and len(part) <= 300 for part in kept) or not kept[1]:
            raise HttpError("the answer to an upload has no name", 200)
        return "/".join(filter(None, kept))

    def followed(self, job: Job, steps: int, listen: Listen) -> JobReport:
        """Wait until a job has ended or is lost. Raises DeviceError if it shows no progress for long."""
        watch = _JobWatch(listen)
        with progress_feed(self._server, job) as feed:
            while True:
                report = self.patiently(lambda: job_report(self._service(), job), listen)
                if report.state is JobState.DONE:
                    watch.finished(steps)
                if report.state not in (JobState.WAITING, JobState.RUNNING):
                    return report
                if watch.is_stalled(report.state):
                    problem = Problem(self.base, f"shows no progress of job {job.id}", "", "look at its log")
                    raise DeviceError(problem)
                watch.listen_to(feed, report.state)

    def fetched(self, take: Take, images: Sequence[StoredImage], listen: Listen) -> Pixels:
        """All frames: (frames, height, width, 3) uint8 RGB."""
        import numpy as np

        if not images:
            raise LostFramesError("its frames are not there")
        if len(images) != take.frames:
            found = f"made {len(images)} frames instead of {take.frames}"
            remedy = "compare the map's `frames` and `images`"
            raise RenderError(Problem(self.base, found, "as many as the input of `frames` is told", remedy))
        pixels = np.empty((take.frames, take.size.height, take.size.width, 3), np.uint8)
        for number, image in enumerate(images, start=1):
            listen(Progress(Phase.DECODING, number, take.frames))
            pixels[number - 1] = self._frame(take, image, number, listen)
        return pixels

    def _frame(self, take: Take, image: StoredImage, number: int, listen: Listen) -> Pixels:
        def content() -> bytes:
            try:
                return self._service().get_bytes("/view", image.parameters)
            except HttpError as error:
                if error.status in (400, 403, 404):
                    raise LostFramesError(f"frame {number} is not there") from None
                raise

        for _ in range(2):  # a connection may break in the middle of a picture
            with suppress(DamagedFrameError):
                return frame_pixels(self.patiently(content, listen), take, number)
        raise LostFramesError(f"frame {number} is damaged")

    def forget(self, job: Job, *, with_cache: bool = False) -> None:
        """Remove a job from the history, so that it is not found again. with_cache: and what its nodes gave."""
        with suppress(HttpError):
            forget_job(self._service(), job)
        if with_cache:
            with suppress(HttpError):
                self._service().post_json("/free", {"unload_models": False, "free_memory": True})

    def patiently(self, ask: Callable[[], Answer], listen: Listen) -> Answer:
        """An answer of the server. While it is away, WAITING is reported every second, for as long as a restart may
        take. Raises DeviceError then, and at once for an answer that says that asking again is no use."""
        away_since: float | None = None
        while True:
            try:
                return ask()
            except HttpError as error:
                now = time.monotonic()
                away_since = now if away_since is None else away_since
                is_final = 300 <= error.status < 500 and error.status not in (408, 425, 429)
                if is_final or now - away_since > patience(RESTART_SECONDS):
                    problem = Problem(self.base, str(error), "an answer of ComfyUI", "start it, or look at it")
                    raise DeviceError(problem) from None
                if now == away_since:
                    _log.warning("%s: %s; waiting for it", self.base, error)
            listen(Progress(Phase.WAITING))
            time.sleep(POLL_SECONDS)

    def _service(self) -> HttpService:
        return self._server.service()


class LostFramesError(Exception):
    """A job is done, and its frames are gone: the server empties its temporary folder when it starts."""


class _JobWatch:
    """Reports the progress of a job, and notices if there is none.

    Steps are those of the sampler. What happens before the first one counts as encoding, after the last as decoding.
    """

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._since = time.monotonic()
        self._step: Progress | None = None
        self._count = 0

    def is_stalled(self, state: JobState) -> bool:
        """Whether a running job has shown no progress for too long. A job that waits for others may wait."""
        if state is JobState.WAITING:
            self._since = time.monotonic()
        limit = patience(UNHEARD_SECONDS if self._step is None else SILENT_SECONDS)
        return time.monotonic() - self._since > limit

    def listen_to(self, feed: ProgressFeed, state: JobState) -> None:
        """Report what happens in the next second. A second without news is counted, except soon after a
        step that is not the last."""
        is_news = False
        for event in feed.events(POLL_SECONDS):
            if event is None:
                return
            is_news = True
            self._since = time.monotonic()
            self._hear(event)
        is_between_steps = self._step is not None and self._step.done < self._step.total
        is_soon = time.monotonic() - self._since < STEP_SECONDS
        if not is_news and state is JobState.WAITING:
            self._listen(Progress(Phase.WAITING))
        elif not is_news and not (is_between_steps and is_soon):
            self._hear(Progress(Phase.ENCODING))

    def finished(self, steps: int) -> None:
        """The job is done: the last step is reported if it was not heard. steps: of the take."""
        if self._step is None or self._step.done < self._step.total:
            total = steps if self._step is None else self._step.total
            self._hear(Progress(Phase.STEP, total, total))

    def _hear(self, event: Progress) -> None:
        if event.phase is Phase.STEP:
            self._step = event
            self._listen(event)
            return
        self._count += 1
        phase = Phase.ENCODING if self._step is None else Phase.DECODING
        self._listen(Progress(phase, self._count))
