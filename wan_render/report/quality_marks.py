"""What the checks of takes and joints say, in the words of the page and of shots.csv."""

from __future__ import annotations

from collections.abc import Iterator

from wan_render.quality.verdicts import QcResult, QcVerdict
from wan_render.report.review import Review, ReviewShot, ReviewTake

VISIBLE_SEAM = 3.0
"""Seam ratio from which the page shows a joint. 1 is invisible. An estimate that was not calibrated."""

ENDS = ("first", "last")
"""The checks that compare an end of a clip with its keyframe."""


def verdict(take: ReviewTake) -> str:
    """`pass`, `flag`, `fail`; "" for a take without measurements."""
    return "" if take.judgement is None else take.judgement.verdict.value


def named(take: ReviewTake, wanted: QcVerdict) -> tuple[str, ...]:
    """The checks of a take with this verdict."""
    return () if take.judgement is None else take.judgement.named(wanted)


def check_words(result: QcResult) -> str:
    """`fail: 0.93, limit 0.9, frame 40`; `does not apply`."""
    if result.verdict is None or result.value is None:
        return "does not apply"
    limit = "" if result.threshold is None else f", limit {result.threshold:g}"
    frame = "" if result.frame is None or result.verdict is QcVerdict.PASS else f", frame {result.frame}"
    return f"{result.verdict.value}: {result.value + 0.0:.3g}{limit}{frame}"


def striking_ends(take: ReviewTake) -> tuple[str, ...]:
    """`first`, `last`: the ends that do not look like their keyframes."""
    if take.judgement is None:
        return ()
    return tuple(end for end in ENDS if take.judgement.checks[end].verdict in (QcVerdict.FLAG, QcVerdict.FAIL))


def is_visible(shot: ReviewShot) -> bool:
    """Whether the joint to the next shot is one to look at."""
    return shot.seam is not None and shot.seam.ratio >= VISIBLE_SEAM


def worth_a_look(review: Review) -> tuple[tuple[ReviewShot, str], ...]:
    """Shots of the film whose shown take failed or is flagged, or whose joint is visible, and why."""
    return tuple((shot, "; ".join(words)) for shot in review.shots if (words := tuple(_words(shot))))


def _words(shot: ReviewShot) -> Iterator[str]:
    take = next((take for take in shot.takes if take.chosen and shot.slate is None), None)
    if take is not None and (failed := named(take, QcVerdict.FAIL)):
        yield f"take {take.number} failed: {', '.join(failed)}"
    if take is not None and (flagged := named(take, QcVerdict.FLAG)):
        yield f"flagged: {', '.join(flagged)}"
    if shot.seam is not None and is_visible(shot):
        yield f"the joint to {shot.seam.following} is visible ({shot.seam.ratio:.1f})"
