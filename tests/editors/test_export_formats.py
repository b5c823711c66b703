"""Every format is read back, with what its users read it with, and has the film's cuts to the frame."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree as Xml

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.editors.harbour_film import PROMPT, HarbourFilm
from tests.sound.sounds import burst
from wan_render.editors.editor_timeline import EditorTimeline, clip_cuts
from wan_render.editors.export_film import Exported
from wan_render.media.clip import read_frames
from wan_render.media.raster import raster_frames
from wan_render.production.store_sources import Sources
from wan_render.render_values import Pixels
from wan_render.retime.retimed_cut import retimed
from wan_render.sound import samples
from wan_render.sound.sound_reader import read_sound

otio = pytest.importorskip("opentimelineio", reason="the extra 'editors' is not installed")

FOLDER = "my 片子 'x' \"y\" & ü"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports") / FOLDER


def clips_of(timeline: Any) -> list[tuple[int, int, int]]:
    """(start on the timeline, frames, frame of the media) of every clip of a document's pictures."""
    found = []
    for clip in (clip for track in timeline.video_tracks() for clip in track.find_clips()):
        if clip.metadata.get("cmx_3600", {}).get("reel") == "BL":  # black of a fade
            continue
        place = clip.transformed_time_range(clip.trimmed_range(), timeline.tracks)
        found.append(
            (int(place.start_time.value), int(place.duration.value), int(clip.trimmed_range().start_time.value))
        )
    return found


def cut_points(timeline: EditorTimeline) -> list[tuple[int, int, int]]:
    return [(cut.start, cut.frames, cut.source) for cut in clip_cuts(timeline)]


Luma = NDArray[np.float64]


def luma_of_file(file: Path) -> list[Luma]:
    """Every frame's luma as coded, in 8 bits."""
    found = []
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            plane, deep = frame.planes[0], "10" in frame.format.name
            values = np.frombuffer(bytes(plane), "<u2" if deep else np.uint8).reshape(frame.height, -1)[
                :, : frame.width
            ]
            found.append(values.astype(np.float64) / (4 if deep else 1))
    return found


def luma_of_picture(rgb: Pixels) -> Luma:
    """BT.709 in TV range (ITU-R BT.709-6, 3)."""
    return np.asarray(16 + 219 / 255 * (rgb @ np.array([0.2126, 0.7152, 0.0722])), np.float64)


def decibels(one: Luma, other: Luma) -> float:
    error = float(np.mean((one[24:] - other[24:]) ** 2))  # above is the label of the preview
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def parsed(made: Exported) -> Xml.Element:
    return Xml.parse(made.document).getroot()  # noqa: S314 - our own file


def test_the_timeline_has_the_cuts_of_the_film(harbour: HarbourFilm) -> None:
    for rate in (16, 24, 25, 30):
        timeline = harbour.export("csv", None if rate == 16 else rate).timeline
        assert [clip.start for clip in timeline.clips] == harbour.starts(rate)
        assert timeline.frames == harbour.frames(rate)
        assert all(clip.source + clip.frames - clip.hold <= clip.shown.frames for clip in timeline.clips)


def test_cut_otio_lies_beside_the_film_with_alternates_links_and_marks(harbour: HarbourFilm) -> None:
    timeline = otio.adapters.read_from_file(str(harbour.film.folder / "cut.otio"))
    clips = list(timeline.video_tracks()[0].find_clips())
    assert timeline.duration() == otio.opentime.RationalTime(harbour.cut.frames, 16)
    assert timeline.name == 'Häfen "港" & <Boats>'
    assert [clip.name for clip in clips] == ["title 1", "1/010", "1/020", "1/tür", "1/tür", "1/040"]
    assert clips[4].effects[0].schema_name() == "FreezeFrame"  # the hold
    assert [clip.schema_name() + clip.media_reference.schema_name() for clip in (clips[0], clips[5])] == [
        "ClipGeneratorReference"
    ] * 2
    assert clips[0].media_reference.parameters["text"] == "港 & <1>"
    first = clips[1]
    assert list(first.media_references()) == ["take 1", "take 2"]
    assert first.active_media_reference_key == "take 1"
    facts = first.media_reference.metadata["wan_render"]
    assert (facts["prompt"], facts["seed"], facts["take"]) == (PROMPT, "5", 1)
    assert first.available_range().duration.value > first.trimmed_range().duration.value  # a handle
    for reference in first.media_references().values():
        assert (harbour.film.folder / unquote(reference.target_url)).resolve().is_file()
    assert {marker.color for clip in clips for marker in clip.markers} <= {"RED", "YELLOW", "GREEN"}
    assert first.markers[0].name.startswith("QC ")
    kinds = [(item.schema_name(), item.name) for item in timeline.tracks[0]]
    assert [name for kind, name in kinds if kind == "Transition"] == ["fade in", "dissolve", "fade out", "fade in"]
    assert "cut.otio" in harbour.film.folder.joinpath("film.json").read_text()
    assert '<a href="cut.otio">' in harbour.film.page.read_text(encoding="utf-8")


def test_an_otioz_holds_its_media(harbour: HarbourFilm, tmp_path: Path) -> None:
    made = harbour.export("otioz")
    timeline = otio.adapters.read_from_file(str(made.document), extract_to_directory=str(tmp_path))
    assert clips_of(timeline) == cut_points(made.timeline)
    for clip in timeline.find_clips():
        assert (tmp_path / unquote(clip.media_reference.target_url)).is_file()
    assert sounds_of(timeline) == [(sound.name, sound.start, sound.frames) for sound in made.timeline.sounds]
    lost = [sentence.partition(":")[0] for sentence in made.left_out]
    assert lost == ["ducking and the loudness of the mix", "subtitles"]
    subtitles = made.document.with_suffix(".srt").read_text(encoding="utf-8")
    assert "水 & fire" in subtitles
    assert harbour.export("otioz").document.read_bytes() == made.document.read_bytes()


def sounds_of(timeline: Any) -> list[tuple[str, int, int]]:
    """(name, start on the timeline, frames) of every sound of a document."""
    clips = [clip for track in timeline.audio_tracks() for clip in track.find_clips()]
    places = [clip.transformed_time_range(clip.trimmed_range(), timeline.tracks) for clip in clips]
    times = [(int(place.start_time.value), int(place.duration.value)) for place in places]
    return [(clip.name, *time) for clip, time in zip(clips, times, strict=True)]


@pytest.mark.parametrize("rate", [24, 25, 30])
def test_an_edit_decision_list_has_the_films_record_times(harbour: HarbourFilm, rate: int) -> None:
    made = harbour.export("edl", rate)
    text = made.document.read_text(encoding="utf-8")
    events = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    shown = [words for words in events if words[1] != "BL" and words[-1] != words[-2]]
    assert [frame_of(words[-2], rate) for words in shown] == harbour.starts(rate)
    assert frame_of(shown[-1][-1], rate) == harbour.frames(rate)
    timeline = otio.adapters.read_from_string(without_first_fade(text), "cmx_3600", rate=rate)
    assert [start for start, _, _ in clips_of(timeline)] == harbour.starts(rate)
    reels = [line.split()[1] for line in text.splitlines() if line[:1].isdigit()]
    assert {len(reel) <= 8 and reel.isascii() for reel in reels} == {True}
    assert len({*reels} - {"BL"}) == len(made.timeline.clips)
    assert all(f"* REEL {clip.shown.reel}: {clip.shown.name}" in text for clip in made.timeline.clips)
    assert all(f"CLIP NAME:  {Path(clip.shown.file).name}" in text for clip in made.timeline.clips)
    assert any("alternate" in sentence for sentence in made.left_out)


def test_locators_of_an_edit_decision_list_are_at_record_times(harbour: HarbourFilm) -> None:
    """A locator is where the film shows the frame that its marker is on, or at the cut before or after it."""
    made = harbour.export("edl", 25)
    lines = [line.split(maxsplit=4) for line in made.document.read_text(encoding="utf-8").splitlines()]
    found = [(frame_of(words[2], 25), words[4]) for words in lines if words[1:2] == ["LOC:"]]
    wanted = []
    for cut in clip_cuts(made.timeline):
        for marker in cut.clip.markers:
            at = cut.start + marker.frame - cut.source
            wanted.append((min(max(at, cut.start), cut.end - 1), marker.name.upper()))
    assert found == wanted
    assert len({at for at, _ in found}) >= 3


def frame_of(timecode: str, rate: int) -> int:
    hours, minutes, seconds, frames = map(int, timecode.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * rate + frames


def without_first_fade(text: str) -> str:
    """opentimelineio writes a fade from black at the beginning, but does not read it."""
    title, fcm, blank, _black, first, *others = text.splitlines()
    return "\n".join((title, fcm, blank, re.sub(r" D \d{3} ", " C     ", first), *others))


def test_final_cut_pro_7_xml_has_the_cuts_the_joints_and_the_prompt(harbour: HarbourFilm, folder: Path) -> None:
    made = harbour.export("fcp7", 25, folder=folder / "seven")
    text = made.document.read_text(encoding="utf-8")
    timeline = otio.adapters.read_from_string(text, "fcp_xml")
    assert clips_of(timeline) == cut_points(made.timeline)
    assert sounds_of(timeline) == [(sound.name, sound.start, sound.frames) for sound in made.timeline.sounds]
    notes = [note.text for note in parsed(made).iter("lognote")]
    assert notes[1] == PROMPT
    for path in parsed(made).iter("pathurl"):
        assert Path(unquote(urlparse(path.text or "").path)).is_file()
    assert len(list(parsed(made).iter("transitionitem"))) == 4


def test_fcpxml_has_the_cuts_the_joints_and_auditions(harbour: HarbourFilm, folder: Path) -> None:
    made = harbour.export("fcpx", 30, folder=folder / "x")
    root = parsed(made)
    spine = next(root.iter("spine"))
    found = []
    for item in spine:
        if item.tag != "transition":
            clip = item[0] if item.tag == "audition" else item
            times = (item.get("offset"), clip.get("duration"), clip.get("start"))
            found.append(tuple(at * 30 for at in map(seconds, times)))
    assert found == [tuple(map(Fraction, cut)) for cut in cut_points(made.timeline)]
    assert [len(audition) for audition in spine.iter("audition")] == [2]
    assert len(list(spine.iter("transition"))) == 1
    heard = [clip for clip in spine.iter("asset-clip") if clip.get("lane")]
    assert [int(seconds(clip.get("duration")) * 30) for clip in heard] == [
        sound.frames for sound in sorted(made.timeline.sounds, key=lambda sound: sound.start)
    ]
    assert [len(list(spine.iter(name))) for name in ("fadeIn", "fadeOut")] == [2, 1]
    assert all(Path(unquote(urlparse(file.get("src", "")).path)).is_file() for file in root.iter("media-rep"))
    assert PROMPT in (next(spine.iter("note")).text or "")


CHILDREN = {
    "fcpxml": "resources event",
    "resources": "(format|effect|asset)( (effect|asset))*",
    "asset": "media-rep",
    "event": "project",
    "project": "sequence",
    "sequence": "spine",
    "spine": "((asset-clip|audition|transition) ?)+",
    "audition": "asset-clip( asset-clip)+",
    "asset-clip": "(note ?)?(adjust-blend ?)?(asset-clip ?)*(marker ?)*",
    "adjust-blend": "param",
    "param": "(fadeIn ?)?(fadeOut ?)?",
    "transition": "filter-video",
}
ATTRIBUTES = {
    "asset-clip": "ref lane offset name start duration tcFormat audioRole",
    "asset": "id name start duration hasVideo format hasAudio audioSources audioChannels audioRate",
    "format": "id frameDuration width height colorSpace",
    "marker": "start duration value completed",
    "audition": "offset",
    "transition": "name offset duration",
}
"""The part of Apple's DTD of FCPXML 1.10 that we use: children in their order, and attributes."""


def test_fcpxml_keeps_to_the_models_of_its_dtd(harbour: HarbourFilm) -> None:
    root = parsed(harbour.export("fcpx", 25))
    names = {element.get("id"): element.tag for element in root.iter() if element.get("id")}
    for element in root.iter():
        children = " ".join(child.tag for child in element)
        assert re.fullmatch(CHILDREN.get(element.tag, ""), children), (element.tag, children)
        if element.tag in ATTRIBUTES:
            assert set(element.attrib) <= set(ATTRIBUTES[element.tag].split())
        assert element.get("ref") is None or names[element.get("ref")] in ("asset", "effect")


def seconds(text: str | None) -> Fraction:
    return Fraction((text or "").removesuffix("s"))


def test_a_csv_is_a_table_that_runs_nothing(harbour: HarbourFilm) -> None:
    made = harbour.export("csv")
    rows = list(csv.DictReader(io.StringIO(made.document.read_text(encoding="utf-8-sig"))))
    assert [int(row["record_frame"]) for row in rows] == [cut.start for cut in clip_cuts(made.timeline)]
    assert rows[1]["prompt"] == f"'{PROMPT}"
    starts = [f"{float(cut.source / made.timeline.rate):.6f}" for cut in clip_cuts(made.timeline)]
    assert [row["source_seconds"] for row in rows] == starts
    assert {row["media_rate"] for row in rows} == {"16"}
    assert (made.folder / rows[1]["media"]).resolve().is_file()


def test_media_is_prores_at_the_rate_of_the_export_with_the_films_colours(harbour: HarbourFilm) -> None:
    made = harbour.export("mlt", 24)
    clip = made.timeline.clips[1]
    for media in clip.media:
        with av.open(str(made.folder / media.file)) as container:
            video = container.streams.video[0]
            context = video.codec_context
            assert (context.name, context.pix_fmt) == ("prores", "yuv422p10le")
            assert video.average_rate == Fraction(24)
            assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
            assert video.frames == media.frames
            assert container.streams.data[0].metadata["reel_name"] == media.reel
    take = harbour.store.find(clip.shown.metadata["key"])
    assert take is not None
    source = list(read_frames(take.video, 0, take.frames))
    shown = luma_of_file(made.folder / clip.shown.file)
    pairs = ((luma, luma_of_picture(source[number * 16 // 24])) for number, luma in enumerate(shown))
    assert min(decibels(*pair) for pair in pairs) >= 45


def melt(made: Exported, target: Path, *options: str) -> Path:
    """What melt renders from an MLT export. It hung once, on a busy machine, so it is tried again."""
    if shutil.which("melt") is None:
        pytest.skip("no melt on PATH: apt install melt")
    argv = ["melt", str(made.document), "-consumer", f"avformat:{target}", *options, "real_time=-1"]
    for seconds in (60, 60, 120):
        target.unlink(missing_ok=True)
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(argv, check=False, capture_output=True, text=True, errors="replace", timeout=seconds)
            assert done.returncode == 0, done.stderr[-1000:]
            return target
    pytest.fail("melt did not end, three times")


def test_melt_renders_the_cut(harbour: HarbourFilm, folder: Path) -> None:
    """Outside of dissolves and fades, every frame is the cut's frame at its moment."""
    made = harbour.export("mlt", 24, folder=folder / "melt")
    rendered = luma_of_file(melt(made, folder / "native.mkv", "vcodec=ffv1", "pix_fmt=yuv422p", "an=1"))
    assert len(rendered) == harbour.frames(24)
    sources = Sources(harbour.store, harbour.session.plan.pictures)
    native = [luma_of_picture(picture[..., 2::-1]) for picture in raster_frames(harbour.cut, sources)]
    before = 0
    for clip in made.timeline.clips[1:]:  # the title has letters
        plain = range(clip.start + max(clip.fade_in, before), clip.end - max(clip.dissolve, clip.fade_out))
        before = clip.dissolve
        assert plain
        assert min(max(decibels(rendered[at], native[n]) for n in near(at)) for at in plain) >= 40


def near(frame: int) -> tuple[int, ...]:
    """The native frame at the moment of a frame at 24, and the one before it: where an event does not begin on a frame
    at 24, its media is up to one native frame behind."""
    return (frame * 16 // 24, frame * 16 // 24 - 1)


def test_melt_renders_a_retimed_film_with_its_dissolves_fades_and_sounds(tmp_path: Path, folder: Path) -> None:
    """At the film's own rate, every frame is the film's, but for the letters of the title."""
    harbour = HarbourFilm.rendered(tmp_path, rate="24")
    made = harbour.export("mlt", folder=folder / "retimed")
    rendered = luma_of_file(melt(made, folder / "retimed.mkv", "vcodec=ffv1", "pix_fmt=yuv422p", "an=1"))
    sources = Sources(harbour.store, harbour.session.plan.pictures)
    cut, files = retimed(harbour.cut, sources, harbour.store.intermediates, lambda _done, _total: None)
    film = [luma_of_picture(picture[..., 2::-1]) for picture in raster_frames(cut, files)]
    assert len(rendered) == len(film) == made.timeline.frames
    first = made.timeline.clips[1].start
    assert min(decibels(*pair) for pair in zip(rendered[first:], film[first:], strict=True)) >= 40
    heard = np.concatenate(list(read_sound(melt(made, folder / "heard.wav", "vn=1", "ar=48000", "ac=2"))))
    wanted, placed = burst(0.3)[:, 0], next(each.placed for each in harbour.session.plan.sounds if each.owner)
    found = int(np.argmax(np.correlate(heard[:, 0], wanted[:9600], "valid")))
    assert abs(found - samples(placed.start)) < 48_000 / 24
