"""What a finished film leaves in the UI: its contact sheet, links to the film and its pages, its shots as a table."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from flows.shown.markdown import disarmed, plain
from flows.shown.names import artifact_key
from flows.shown.served_links import ServedLinks, served_links
from wan_render.errors import WanRenderError
from wan_render.production.failures import Outcome
from wan_render.production.render_order import RenderOrder
from wan_render.production.run import Run
from wan_render.status import ShotStatus
from wan_render.store import PAGE, FilmVersion
from wan_render.store.delivered_files import DeliveredFiles


def show_review(
    run: Run, outcomes: Mapping[RenderOrder, Outcome], seconds: Mapping[str, float], film: FilmVersion
) -> None:
    """The artifacts of a finished film. A server that is away costs them, not the film.

    seconds: of work on each take that this run rendered, by its key.
    """
    try:
        create_table_artifact(
            [_row(shot, outcomes, seconds) for shot in run.before.shots],
            key=artifact_key("shots", run.plan.slug),
            description=f"The shots of {run.plan.slug}",
        )
        page = _page(film, served_links(run.store.root))
        create_markdown_artifact(page, key=artifact_key("film", run.plan.slug), description=run.plan.slug)
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("the server took no artifacts: %s", error)


def _row(
    shot: ShotStatus, outcomes: Mapping[RenderOrder, Outcome], seconds: Mapping[str, float]
) -> dict[str, str | float]:
    by_key = {order.take.key: outcome for order, outcome in outcomes.items()}
    ended = [by_key[take.key] for take in shot.takes if take.key in by_key]
    errors = [str(outcome) for outcome in ended if isinstance(outcome, WanRenderError)]
    return {
        "shot": disarmed(shot.id),
        "before": shot.state.value,
        "now": "failed" if errors else "rendered" if ended else "reused" if shot.takes else shot.state.value,
        "why": disarmed("; ".join(errors) or shot.why),
        "seconds": round(sum(seconds.get(take.key, 0.0) for take in shot.takes), 1),
    }


def _page(film: FilmVersion, links: ServedLinks) -> str:
    delivered = DeliveredFiles(film.folder).paths()
    return "\n".join(
        [
            f"# {plain(film.folder.parent.name)} {plain(film.folder.name)}",
            f"{film.frames} frames, {float(film.seconds):.2f} s{', unchanged' if film.reused else ''}",
            "",
            f"- {links.link('film', film.video)}",
            f"- {links.link('review page', film.page)}",
            f"- {links.link('all films', links.root / PAGE)}",
            *(f"- {links.link(f'deliverable {file.name}', file)}" for file in delivered if file.is_file()),
            *(f"- {plain(sentence)}" for sentence in film.lacks),
            *(f"\n{picture}" for picture in [links.picture(film.contact_sheet)] if picture),
        ]
    )
