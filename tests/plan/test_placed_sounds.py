"""Sounds of the storyboard on the film's clock: who ends them, which joints they follow, what is told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.plan.conftest import Mistakes, Plan
from tests.sound.sounds import burst, silence, tone, wav
from wan_render.keys import content_key
from wan_render.plan import FilmPlan, PlannedSound

S = Fraction


@pytest.fixture(autouse=True)
def sounds(studio: Path) -> None:
    if not (studio / "long.wav").exists():
        wav(studio / "long.wav", burst(30.0, level=0.01))
        wav(studio / "brief.wav", burst(1.5, level=0.01))
        wav(studio / "silent.wav", silence(1.0))
        wav(studio / "hot.wav", tone(0.5, level=20))


def one(film: FilmPlan, owner: str, kind: str = "sound") -> PlannedSound:
    (found,) = (sound for sound in film.sounds if (sound.owner, sound.kind) == (owner, kind))
    return found


def times(sound: PlannedSound) -> tuple[Fraction, Fraction]:
    return sound.placed.start, sound.placed.start + sound.placed.length


FILM = """
titles: {open: {text: x, for: 1s}}
scenes:
  - sound: long.wav
    shots:
      - {card: a, duration: 2s, sound: {file: long.wav, at: -0.5s, gain: -6dB}, transition: dissolve 8f}
      - {card: b, duration: 3s, sound: long.wav, narration: {file: brief.wav, at: 2s}}
  - shots:
      - {card: c, duration: 2s, sound: {file: brief.wav, at: 1s, for: 1.2s, fade_in: 4f}, transition: fade 9f}
      - {card: d, duration: 2s, sound: {file: long.wav, for: 20s}}
audio: {music: {file: long.wav, loop: true, fade_out: 2s}}
"""


def test_shots_and_scenes_end_their_sounds_and_joints_fade_them(plan: Plan) -> None:
    """At 16 frames per second: a from 1 s, b from 2.5 s, c from 5.5 s, d from 7.5 s to 9.5 s."""
    film = plan(FILM)
    scene, a, b = one(film, "1"), one(film, "1/010"), one(film, "1/020")
    assert times(scene) == (S(1), S(11, 2))
    assert times(a) == (S(1, 2), S(3))
    assert (a.placed.gain, a.placed.fade_in, a.placed.fade_out) == (-6, S(0), S(1, 2))
    assert times(b) == (S(5, 2), S(11, 2))
    assert (b.placed.fade_in, b.placed.fade_out) == (S(1, 2), S(1, 200))
    c, d = one(film, "2/010"), one(film, "2/020")
    assert times(c) == (S(13, 2), S(77, 10))
    assert (c.placed.fade_in, c.placed.fade_out) == (S(1, 4), S(1, 200))
    assert times(d) == (S(15, 2), S(55, 2))
    assert d.placed.fade_in == S(4, 16)
    music = one(film, "", "music")
    assert times(music) == (S(0), S(19, 2))
    assert (music.placed.duck, music.placed.fade_out, music.placed.speech) == (-9, S(2), False)
    voice = one(film, "1/020", "narration")
    assert times(voice) == (S(9, 2), S(6))  # half a second into the next shot: no word is cut off
    assert (voice.placed.speech, voice.placed.fade_out) == (True, S(0))
    assert film.soundtrack is not None
    assert (film.soundtrack.loudness, film.soundtrack.peak, len(film.soundtrack.sounds)) == (-16, -1.5, 7)
    assert {file.name for file in film.sound_files.values()} == {"long.wav", "brief.wav"}


def test_notes_say_when_each_sound_is_heard(plan: Plan) -> None:
    notes = [str(note) for note in plan(FILM).notes]
    assert any("brief.wav (pcm_f32le, 48 kHz, stereo, 1.50 s) is heard from 4.50 s to 6.00 s" in note for note in notes)
    assert any("long.wav" in note and "27.50 s are cut off at the end of 1/010" in note for note in notes), notes


def test_sounds_follow_the_fades_of_the_film(plan: Plan) -> None:
    film = plan("""version: 1
film: {fade_in: 1s, fade_out: 0.5s}
shots: [{card: a, duration: 2s, sound: long.wav}, {card: b, duration: 2s, sound: long.wav}]
audio: {music: long.wav}
""")
    fades = [(sound.placed.fade_in, sound.placed.fade_out) for sound in film.sounds]
    assert fades == [(S(0), S(1, 2)), (S(1), S(1, 200)), (S(0), S(1, 2))]


def test_a_sound_can_begin_within_its_file(plan: Plan, mistakes: Mistakes) -> None:
    film = plan("shots: [{card: a, duration: narration, narration: {file: brief.wav, in: 0.5s}}]")
    assert (film.shots[0].frames, film.sounds[0].placed.skip, film.sounds[0].placed.length) == (16, S(1, 2), S(1))
    told = mistakes("shots: [{card: a, sound: {file: brief.wav, in: 2s}}]")
    assert "shots[0].sound[0].in: brief.wav is 1.50 s long" in told[0]


def test_what_is_lost_is_a_warning(plan: Plan) -> None:
    film = plan("""
shots:
  - {card: a, duration: 2s, sound: [{file: brief.wav, at: 3s}, {file: brief.wav, for: 9s}, silent.wav, hot.wav]}
  - {card: b, duration: 1s, narration: brief.wav}
""")
    warnings = "\n".join(map(str, film.warnings))
    for words in (
        "brief.wav is not heard: it is outside 1/010",
        "brief.wav ends after 1.50 s, before its `for`",
        "silent.wav is silent",
        "hot.wav has peaks of +26 dBFS, so other sounds are hardly heard",
        "brief.wav goes on 0.50 s after the end of the film",
    ):
        assert words in warnings


@pytest.mark.parametrize(
    ("music", "is_told"),
    [
        ("brief.wav", True),
        ("[long.wav, brief.wav]", False),
        ("{file: brief.wav, loop: true}", False),
        ("{file: brief.wav, at: 1.4s}", False),
        ("{file: brief.wav, for: 1s}", False),
    ],
)
def test_music_that_ends_before_the_film_is_told(plan: Plan, music: str, *, is_told: bool) -> None:
    film = plan(f"audio: {{music: {music}}}\nshots: [{{card: a, duration: 4s}}]")
    said = [str(warning) for warning in film.warnings if "ends at 1.50 s, and the film at 4.00 s" in str(warning)]
    assert len(said) == is_told


def test_a_narration_after_the_end_of_the_film_is_not_heard(plan: Plan) -> None:
    film = plan("audio: {narration: {file: brief.wav, at: 99s}}\nshots: [{card: a, duration: 1s}]")
    warnings = "\n".join(map(str, film.warnings))
    assert "brief.wav is not heard: it is outside the film" in warnings
    assert "goes on" not in warnings
    assert not film.sounds


def test_a_shot_is_as_long_as_its_narration(plan: Plan, mistakes: Mistakes) -> None:
    film = plan("""
defaults: {duration: narration}
shots:
  - {card: a, narration: {file: brief.wav, at: 0.5s}}
  - {card: b}
  - {from: a, narration: [brief.wav, {file: brief.wav, at: 2.5s}]}
""")
    assert [shot.frames for shot in film.shots] == [32, 80, 64]
    told = mistakes("shots: [{card: a, duration: narration}]")
    assert len(told) == 1
    assert "the shot has no narration" in told[0]


def test_a_narration_that_never_ends_decides_no_length(plan: Plan, mistakes: Mistakes) -> None:
    told = mistakes("shots: [{card: a, duration: narration, narration: {file: brief.wav, loop: true}}]")
    assert len(told) == 1
    assert "shots[0].narration[0].loop: brief.wav is a loop, so it never ends" in told[0]
    film = plan("shots: [{card: a, duration: narration, narration: {file: brief.wav, loop: true, for: 4s}}]")
    assert film.shots[0].frames == 64


def test_fades_that_are_longer_than_their_sound_are_told(plan: Plan) -> None:
    film = plan("""
shots:
  - {card: a, duration: 3s, sound: [{file: brief.wav, fade_in: 1s, fade_out: 0.5s}, {file: long.wav, fade_out: 4s}]}
  - {card: b, duration: 2s, sound: {file: brief.wav, at: 0.2s, for: 1s, fade_in: 1.2s}, transition: dissolve 32f}
  - {card: c, duration: 3s, sound: brief.wav}
  - {card: d, duration: 3s, sound: long.wav}
""")
    _, first, second, third = (str(warning) for warning in film.warnings)
    assert "sound[1]: long.wav is never at its full level: it is heard for 3.00 s, with 4.00 s of fade_out" in first
    assert "write a shorter `fade_out`" in first
    assert "with 1.20 s of fade_in" in second
    assert "brief.wav is never at its full level: it is heard for 1.50 s, with 2.00 s of fade_in" in third
    assert "it follows its shot's joint: write fade_in: 0s" in third


def test_two_voices_at_once_are_told(plan: Plan) -> None:
    film = plan("""
shots:
  - {card: a, duration: 1s, narration: brief.wav}
  - {card: b, duration: 3s, narration: [brief.wav, {file: brief.wav, at: 1.45s}]}
audio: {music: long.wav}
""")
    _, warning = map(str, film.warnings)
    assert (
        "shots[1].narration[0]: brief.wav is heard together with brief.wav for 0.50 s; one voice at a time" in warning
    )


def test_a_broken_sound_is_a_mistake_at_its_place(mistakes: Mistakes, studio: Path) -> None:
    (studio / "broken.wav").write_bytes(b"RIFF")
    told = mistakes("shots: [{card: a, sound: [brief.wav, broken.wav]}, {card: b, sound: broken.wav}]")
    assert len(told) == 1
    assert told[0].startswith("film.yaml:4:38: shots[0].sound[1]: broken.wav cannot be read as sound")


def test_a_film_without_sounds_has_no_soundtrack_whatever_its_loudness(plan: Plan) -> None:
    assert plan("shots: [{card: a}]\naudio: {loudness: -23}").soundtrack is None


def test_every_setting_changes_the_soundtrack(plan: Plan) -> None:
    texts = [
        "", ", at: 0.25s", ", gain: -3", ", fade_in: 1s", ", fade_out: 1s", ", for: 1s", ", loop: true", ", duck: -3dB",
        ", speech: on",
        ", in: 0.5s",
    ]  # fmt: skip
    tracks = [plan(f"shots: [{{card: a, sound: {{file: brief.wav{text}}}}}]").soundtrack for text in texts]
    sound = "shots: [{card: a, sound: brief.wav}]\naudio: "
    tracks += [plan(sound + "{loudness: -14 LUFS}").soundtrack, plan(sound + "{loudness: off}").soundtrack]
    tracks += [plan(sound + "{peak: -2 dBTP}").soundtrack]
    assert len({content_key("x", track) for track in tracks}) == len(texts) + 3
