"""The pictures of an export of an upscaled film."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from tests.media.pictures import flat
from tests.production.solid import CPU, Solid, a_take, film, painted
from tests.reference import produce
from wan_render.cut import MATCH_FORM, RETIME_FORMS, Cut
from wan_render.media.clip import write_pictures
from wan_render.production.export_sources import ExportSources
from wan_render.production.film_cut import read_cut
from wan_render.production.matched_colours import matched_colours
from wan_render.production.upscaled_cut import upscaled
from wan_render.store import Store
from wan_render.upscale.clip_upscaler import ClipToUpscale
from wan_render.upscaling import Upscaling


def test_upscaled_takes_are_used_and_others_are_enlarged_with_a_note(tmp_path: Path) -> None:
    store, plan = Store(tmp_path / "outputs"), film(tmp_path, {"1/010": a_take("dawn"), "1/020": a_take("noon")})
    version = produce(plan, Solid(tmp_path / "diary.txt"), store, CPU)
    whole = replace(read_cut(version.folder), upscale=Upscaling("model", "0" * 64))
    one, other = (alone(whole, at) for at in (0, 1))

    def work(job: ClipToUpscale, progress: object) -> None:  # noqa: ARG001 - UpscalesClips
        pictures = flat([200] * job.frames, job.placement.delivery)
        write_pictures(job.target, iter(pictures), job.placement.delivery, Fraction(16))

    upscaled(one, store, {}, Path(), work, lambda _name: lambda _done, _total: None)
    sources = ExportSources(whole, plan, store)
    cut, _ = sources.prepared(one)
    assert (cut.size, cut.upscale, sources.notes) == (whole.delivery, None, [])
    cut, _ = sources.prepared(other)
    assert (cut.size, cut.upscale) == (whole.size, None)
    assert sources.notes == ["a take of 1/020 is enlarged by Lanczos: it is not kept upscaled, as those of the film"]
    cut, _ = sources.prepared(replace(other, retime=RETIME_FORMS["rife"], upscale=None))
    assert cut.retime == RETIME_FORMS["flow"]
    assert "by flow" in sources.notes[1]


def test_a_take_has_the_colours_that_it_has_in_the_film(tmp_path: Path) -> None:
    """A take of one grey between keyframes of others: the whole take begins and ends with their corrections."""
    store = Store(tmp_path / "outputs")
    plate, pictures = painted(tmp_path, 30)
    take = replace(a_take("dawn", seed=60), first=plate)
    plan = film(tmp_path, {"1/010": take}, pictures)
    version = produce(plan, Solid(tmp_path / "diary.txt"), store, CPU)
    whole = replace(read_cut(version.folder), match_colours=MATCH_FORM)
    shown, _ = matched_colours(whole, store)
    cut, _ = ExportSources(whole, plan, store).prepared(alone(whole, 0))
    assert cut.events[0].grade == shown.events[0].grade is not None


def alone(cut: Cut, at: int) -> Cut:
    return replace(cut, events=(replace(cut.events[at], joint=None),))
