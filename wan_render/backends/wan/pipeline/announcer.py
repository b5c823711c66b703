"""Progress on its way to whoever asked for a take."""

from __future__ import annotations

from wan_render.render_values import Listen, Phase, Progress


class Announcer:
    """Tells one listener what is being done. What interrupts that, such as loading, is followed by saying it again."""

    def __init__(self) -> None:
        self._listen: Listen = _ignored
        self._under_way = Progress(Phase.LOADING)

    def tell(self, listen: Listen) -> None:
        """Tell this listener from now on."""
        self._listen = listen

    def say(self, progress: Progress) -> None:
        """This is under way now."""
        self._under_way = progress
        self._listen(progress)

    def interrupt(self, progress: Progress) -> None:
        """This comes between; `resume` follows."""
        self._listen(progress)

    def resume(self) -> None:
        """What was under way goes on."""
        self._listen(self._under_way)

    def wait(self) -> None:
        """Others of a group are not ready."""
        self.say(Progress(Phase.WAITING))

    def join(self, steps: int) -> None:
        """All of a group have come, and join: a part of the first step, for which a farm gives a step's time. One that
        waits may be silent for less."""
        self.say(Progress(Phase.STEP, 0, steps))


def _ignored(_: Progress) -> None:
    """Before anybody listens."""
