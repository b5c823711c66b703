"""What a run leaves in the UI: its shots as a table, and where the film lies."""

from __future__ import annotations

from pathlib import Path

import httpx
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from flows.names import artifact_key
from flows.takes import Night
from wan_render.errors import WanRenderError
from wan_render.production import FilmVersion, Run
from wan_render.status import ShotStatus


def show_review(run: Run, night: Night, film: FilmVersion) -> None:
    """The artifacts of a finished film. A server that is away costs them, not the film."""
    try:
        create_table_artifact(
            _rows(run, night), key=artifact_key("shots", run.plan.slug), description=f"The shots of {run.plan.slug}"
        )
        create_markdown_artifact(_page(film), key=artifact_key("film", run.plan.slug), description=run.plan.slug)
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("the server took no artifacts: %s", error)


def _rows(run: Run, night: Night) -> list[dict[str, str | float]]:
    return [_row(shot, night) for shot in run.before.shots]


def _row(shot: ShotStatus, night: Night) -> dict[str, str | float]:
    outcomes = {order.take.key: outcome for order, outcome in night.outcomes.items()}
    ended = [outcomes[take.key] for take in shot.takes if take.key in outcomes]
    errors = [str(outcome) for outcome in ended if isinstance(outcome, WanRenderError)]
    seconds = sum(night.seconds.get(take.key, 0.0) for take in shot.takes)
    return {
        "shot": shot.id,
        "before": shot.state.value,
        "now": "failed" if errors else "rendered" if ended else "reused" if shot.takes else shot.state.value,
        "why": "; ".join(errors) or shot.why,
        "seconds": round(seconds, 1),
    }


def _page(film: FilmVersion) -> str:
    slates = [f"- slate for **{shot}**: {reason}" for shot, reason in film.slates.items()]
    return "\n".join(
        [
            f"# {film.folder.parent.name} {film.folder.name}",
            f"{film.frames} frames, {float(film.seconds):.2f} s{', unchanged' if film.reused else ''}",
            "",
            f"- film: [{film.video.name}]({_link(film.video)}), `{film.video.absolute()}`",
            f"- review page: [{film.page.name}]({_link(film.page)}), `{film.page.absolute()}`",
            *slates,
        ]
    )


def _link(file: Path) -> str:
    return file.absolute().as_uri()
