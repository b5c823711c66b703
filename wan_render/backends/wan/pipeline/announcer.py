"""Reports the progress of a take to its listener."""

from __future__ import annotations

from wan_render.render_values import Listen, Phase, Progress


class Announcer:
    """Reports the current phase to one listener. After an interruption, such as loading, the phase is reported
    again."""

    def __init__(self) -> None:
        self._listen: Listen = lambda _progress: None
        self._under_way = Progress(Phase.LOADING)

    def tell(self, listen: Listen) -> None:
        """Report to this listener from now on."""
        self._listen = listen

    def say(self, progress: Progress) -> None:
        """Report the phase that begins now."""
        self._under_way = progress
        self._listen(progress)

    def interrupt(self, progress: Progress) -> None:
        """Report an interruption of the phase. Call `resume` after it."""
        self._listen(progress)

    def resume(self) -> None:
        """Report that the interrupted phase goes on."""
        self._listen(self._under_way)

    def wait(self) -> None:
        """Report that this rank waits for others of its group."""
        self.say(Progress(Phase.WAITING))

    def join(self, steps: int) -> None:
        """Report that all ranks have come and connect. It counts as a part of the first step: the farm's time limit for
        a step is longer than that for waiting."""
        self.say(Progress(Phase.STEP, 0, steps))
