"""The sound of a finished film: in its place, as loud as asked, made once, and told about."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.probing import probe
from tests.production.solid import CPU, Solid
from tests.reference import produce
from tests.sound.sounds import burst, heard, place, silence, tone, wav
from tests.sound.test_mixing_sounds import measured
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.errors import MachineError
from wan_render.facts import FactCache
from wan_render.plan import FilmPlan, make_plan
from wan_render.sound.soundtrack import RATE
from wan_render.store import FilmVersion, Store
from wan_render.storyboard import read_storyboard

TEXT = """
film: {title: Harbour, raster: 64x48, deliver: 64x48, aspect: 4:3}
shots:
  - {card: a, duration: 2s, sound: {file: bell.wav, at: 7f}, transition: dissolve 4f}
  - {card: b, duration: 2s, sound: {file: door.mp3, at: 1.003s}}
  - {card: c, duration: 1.3s}
audio: {music: {file: music.wav, gain: -30dB, loop: true}}
"""


def planned(folder: Path, text: str = TEXT) -> FilmPlan:
    wav(folder / "bell.wav", burst(0.5, seed=1))
    wav(folder / "door.mp3", burst(0.5, seed=2), silence(0.1))  # its name says nothing
    wav(folder / "music.wav", tone(0.7))
    file = folder / "film.yaml"
    file.write_text(text)
    cache = FactCache(folder / "cache")
    models = catalogue(cache)
    return make_plan(
        read_storyboard(file, models=models, cache=cache), models=models, backend_id="solid/1", cache=cache
    )


def made(plan: FilmPlan, folder: Path, outputs: str = "outputs") -> FilmVersion:
    return produce(plan, Solid(folder / "diary.txt"), Store(folder / outputs), CPU)


def test_a_film_has_its_sounds_in_their_places_as_loud_as_asked(tmp_path: Path) -> None:
    version = made(planned(tmp_path), tmp_path)
    sound = heard(version.video)
    for expected, pattern in ((Fraction(7, 16), burst(0.5, seed=1)), (Fraction("2.753"), burst(0.5, seed=2))):
        assert abs(place(pattern, sound) - expected * RATE) <= 2  # a frame is 3,000 samples
    facts = probe(version.video)
    assert (facts.frames, facts.seconds) == (81, Fraction(81, 16))
    with av.open(str(version.video)) as container:
        stream = container.streams.audio[0]
        codec = stream.codec_context
        assert (codec.name, codec.sample_rate, codec.channels) == ("aac", 48000, 2)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert abs(stream.duration * stream.time_base - Fraction(81, 16)) < Fraction(1, 1000)
    assert measured(sound)[0] == pytest.approx(-16, abs=0.5)
    record = json.loads((version.folder / "film.json").read_text())["sound"]
    assert (record["loudness"], record["limited"]) == (pytest.approx(-16, abs=0.1), 0)
    assert f"{record['loudness']:.1f} LUFS" in version.page.read_text()
    assert json.loads((version.folder / "cut.json").read_text())["sound"]["loudness"] == -16


def test_the_mix_is_made_once_and_equal_films_are_equal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan = planned(tmp_path)
    first = made(plan, tmp_path)
    (mix,) = (tmp_path / "outputs" / "intermediates").glob("*/*.wav")
    before = mix.stat().st_mtime_ns
    assert made(plan, tmp_path).reused
    other = made(replace(plan, title="Another"), tmp_path)
    assert (other.name, mix.stat().st_mtime_ns) == ("v002", before)
    again = made(plan, tmp_path, "again")
    assert np.array_equal(heard(first.video), heard(again.video))
    (same,) = (tmp_path / "again" / "intermediates").glob("*/*.wav")
    assert same.read_bytes() == mix.read_bytes()
    assert not caplog.records


def test_a_film_without_sounds_is_silent_and_its_key_is_as_before(tmp_path: Path) -> None:
    version = made(planned(tmp_path, "shots: [{card: a, duration: 1s}]"), tmp_path)
    assert not heard(version.video).any()
    assert "sound" not in json.loads((version.folder / "cut.json").read_text())


def test_silence_and_much_limiting_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wav(tmp_path / "nothing.wav", silence(1.0))
    made(planned(tmp_path, "shots: [{card: a, duration: 1s, sound: nothing.wav}]"), tmp_path)
    assert "the sound of the film is silent" in caplog.text
    wav(tmp_path / "click.wav", burst(0.002, level=0.5), silence(1.0))
    version = made(planned(tmp_path, "shots: [{card: a, duration: 1s, sound: click.wav}]"), tmp_path)
    assert "LU are lost" in caplog.text
    assert "LU are lost" in version.page.read_text()


def test_a_sound_that_changed_since_the_plan_makes_no_film(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    wav(tmp_path / "bell.wav", burst(0.4, seed=9))
    with pytest.raises(MachineError, match=r"bell\.wav: was changed since it was planned"):
        made(plan, tmp_path)
    assert not list((tmp_path / "outputs" / "films").glob("*/v*"))


def test_a_film_without_a_sound_from_words_lacks_it(tmp_path: Path) -> None:
    text = "film: {title: a, raster: 64x48, deliver: 64x48}\nshots: [{card: a, duration: 0.3s, sound: {prompt: rain}}]"
    (lacked,) = made(planned(tmp_path, text), tmp_path).lacks
    assert lacked.startswith("not made: sound “rain”: ")
