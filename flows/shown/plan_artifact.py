"""What a run would render, as an artifact for who is to approve it: each take with its pictures and its prompt."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from PIL import Image
from prefect.artifacts import create_markdown_artifact

from flows.shown.markdown import plain
from flows.shown.names import artifact_key
from wan_render.errors import MachineError, PictureError, Problem, RenderError
from wan_render.production.pictures import Pictures
from wan_render.production.render_order import RenderOrder
from wan_render.production.run import Run
from wan_render.session.wording import counted
from wan_render.status import ShotStatus
from wan_render.store.disk import free_disk_bytes, gigabytes
from wan_render.take import AnyPlate

THUMBNAIL = (192, 192)
"""The box in pixels that a keyframe fits. It is part of the artifact: nothing of these takes is in the store yet."""

MOST_PICTURES = 100
"""Different keyframes of one plan that are shown; of the others, the names. One has about 5 kB."""


def show_plan(run: Run, forecast: str, warnings: Sequence[Problem], *, is_changed: bool) -> str:
    """The artifact of what a run would render, and why; its key. `is_changed`: other takes were approved before."""
    key = artifact_key("plan", run.plan.slug)
    keyframes = _Thumbnails(Pictures(run.store, run.plan.pictures))
    changed = ["**This is not what was approved: it was changed since.**", ""] if is_changed else []
    lines = [
        f"# {plain(run.plan.slug)}: {counted(len(run.orders), 'take')} to render",
        *changed,
        f"{plain(forecast)} ({gigabytes(free_disk_bytes(run.store.root))} free)",
        "",
        *(f"- warning: {plain(str(warning))}" for warning in warnings),
        f"- storyboard: {plain(str(run.plan.file.absolute()))}",
        *(line for order in run.orders for line in _take(order, run, keyframes)),
        "",
        *keyframes.definitions(),
    ]
    create_markdown_artifact("\n".join(lines), key=key, description=f"What {run.plan.slug} would render")
    return key


@dataclass
class _Thumbnails:
    """Keyframes as small pictures, each written once, however many takes begin or end on it."""

    pictures: Pictures
    _made: dict[AnyPlate, str] = field(default_factory=dict)

    def shown(self, plate: AnyPlate) -> str:
        """A reference in Markdown; "" where there is no such picture yet, or there are too many."""
        if plate not in self._made and len(self._made) < MOST_PICTURES:
            self._made[plate] = self._address(plate)
        found = self._made.get(plate)
        return f"![][picture-{list(self._made).index(plate)}]" if found else ""

    def definitions(self) -> Iterator[str]:
        """What the references mean."""
        for number, address in enumerate(self._made.values()):
            if address:
                yield f"[picture-{number}]: {address}"

    def _address(self, plate: AnyPlate) -> str:
        try:
            image = Image.fromarray(self.pictures.pixels(plate))
        except (PictureError, RenderError, MachineError):  # it is painted, or rendered, in this run
            return ""
        image.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
        written = io.BytesIO()
        image.save(written, "JPEG", quality=70)
        return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"


def _take(order: RenderOrder, run: Run, keyframes: _Thumbnails) -> Iterator[str]:
    take = order.take
    yield from ("", f"## {plain(f'{order.shot} take {order.number}')}", "")
    facts = (order.why, order.card.name, f"{take.frames} frames, {take.size}", take.sampling.profile)
    yield from (" · ".join(map(plain, facts)), "")
    if take.prompt:
        yield from (plain(take.prompt), "")
    ends = _ends(order, run, keyframes.pictures)
    if ends:
        yield f"| {' → | '.join(plain(name) for name, _ in ends)} |"
        yield f"|{'---|' * len(ends)}"
        yield f"| {' | '.join(keyframes.shown(plate) for _, plate in ends)} |"


def _ends(order: RenderOrder, run: Run, pictures: Pictures) -> list[tuple[str, AnyPlate]]:
    """The keyframes that a take passes, by the storyboard's names for them where they are those of its shot."""
    take = order.take
    plates = [take.first, *(leg.plate for leg in take.through), take.last]
    shot = next((shot for shot in run.before.shots if shot.id == order.shot), None)
    names = _names(shot) if shot is not None else []
    if len(names) != len(plates):
        names = [None] * len(plates)
    named = zip(names, plates, strict=True)
    return [(name or pictures.name(plate), plate) for name, plate in named if plate is not None]


def _names(shot: ShotStatus) -> list[str | None]:
    planned = shot.planned
    return [] if planned is None else [planned.from_name, *planned.through_names, planned.to_name]
