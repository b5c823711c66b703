"""What a run leaves in the UI: its plan where somebody is to approve it, its shots as a table, where the film lies."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from flows.markdown import disarmed, link, plain
from flows.names import artifact_key
from flows.take_tasks import TakeTasks
from wan_render.errors import Problem, WanRenderError
from wan_render.production.render_order import RenderOrder
from wan_render.production.run import Run
from wan_render.session.wording import counted, gigabytes
from wan_render.status import ShotStatus
from wan_render.store import FilmVersion
from wan_render.store.disk import free_disk_bytes


def show_plan(run: Run, outlook: str, warnings: Sequence[Problem], *, is_changed: bool) -> str:
    """The artifact of what a run would render, and why; its key. `is_changed`: other takes were approved before."""
    key = artifact_key("plan", run.plan.slug)
    takes = ["| take | why | frames | model | prompt |", "|---|---|---|---|---|", *map(_take, run.orders)]
    changed = ["**This is not what was approved: it was changed since.**", ""] if is_changed else []
    lines = [
        f"# {plain(run.plan.slug)}: {counted(len(run.orders), 'take')} to render",
        *changed,
        f"{plain(outlook)} ({gigabytes(free_disk_bytes(run.store.root))} free)",
        "",
        *takes,
        "",
        *(f"- warning: {plain(str(warning))}" for warning in warnings),
        f"- storyboard: {plain(str(run.plan.file.absolute()))}",
    ]
    create_markdown_artifact("\n".join(lines), key=key, description=f"What {run.plan.slug} would render")
    return key


def show_review(run: Run, tasks: TakeTasks, film: FilmVersion) -> None:
    """The artifacts of a finished film. A server that is away costs them, not the film."""
    try:
        create_table_artifact(
            _rows(run, tasks), key=artifact_key("shots", run.plan.slug), description=f"The shots of {run.plan.slug}"
        )
        create_markdown_artifact(_page(film), key=artifact_key("film", run.plan.slug), description=run.plan.slug)
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("the server took no artifacts: %s", error)


def _take(order: RenderOrder) -> str:
    cells = (
        f"{order.shot} take {order.number}",
        order.why,
        f"{order.take.frames}, {order.take.size}",
        order.take.model,
        order.take.prompt,
    )
    return f"| {' | '.join(map(plain, cells))} |"


def _rows(run: Run, tasks: TakeTasks) -> list[dict[str, str | float]]:
    return [_row(shot, tasks) for shot in run.before.shots]


def _row(shot: ShotStatus, tasks: TakeTasks) -> dict[str, str | float]:
    outcomes = {order.take.key: outcome for order, outcome in tasks.outcomes.items()}
    ended = [outcomes[take.key] for take in shot.takes if take.key in outcomes]
    errors = [str(outcome) for outcome in ended if isinstance(outcome, WanRenderError)]
    seconds = sum(tasks.seconds.get(take.key, 0.0) for take in shot.takes)
    return {
        "shot": disarmed(shot.id),
        "before": shot.state.value,
        "now": "failed" if errors else "rendered" if ended else "reused" if shot.takes else shot.state.value,
        "why": disarmed("; ".join(errors) or shot.why),
        "seconds": round(seconds, 1),
    }


def _page(film: FilmVersion) -> str:
    slates = [f"- slate for **{plain(shot)}**: {plain(reason)}" for shot, reason in film.slates.items()]
    return "\n".join(
        [
            f"# {plain(film.folder.parent.name)} {plain(film.folder.name)}",
            f"{film.frames} frames, {float(film.seconds):.2f} s{', unchanged' if film.reused else ''}",
            "",
            f"- film: {link(film.video)}",
            f"- review page: {link(film.page)}",
            *slates,
        ]
    )
