"""A soundtrack becomes samples: places, gains, fades, loops, ducking; then its loudness."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.sound.sounds import burst, heard, level, place, silence, tone, wav
from wan_render.sound import PlacedSound, Soundtrack
from wan_render.sound.loudness import LoudnessMeter
from wan_render.sound.mix_report import MixReport, mix_report
from wan_render.sound.mixdown import mix_to_file
from wan_render.sound.mixing import mixed
from wan_render.sound.sound_reader import Samples
from wan_render.sound.soundtrack import RATE
from wan_render.sound.wav_file import wav_comment

S = Fraction


def mix(tmp_path: Path, seconds: float, *placed: PlacedSound, **files: Samples) -> Samples:
    made = {name: wav(tmp_path / f"{name}.wav", samples) for name, samples in files.items()}
    return np.concatenate(list(mixed(Soundtrack(placed), made, round(seconds * RATE))))


def test_sounds_are_at_their_samples(tmp_path: Path) -> None:
    one, two = burst(seed=1), burst(seed=2)
    placed = (PlacedSound("one", S(7, 24), S(1, 2)), PlacedSound("two", S(29, 16), S(1, 2), gain=-20.0))
    samples = mix(tmp_path, 2.5, *placed, one=one, two=two)
    assert len(samples) == 2.5 * RATE
    first, second = 14_000, 87_000
    assert np.array_equal(samples[first : first + len(one)], one)
    assert np.allclose(samples[second : second + len(two)], two / 10, atol=1e-7)
    assert not samples[:first].any()
    assert not samples[second + len(two) :].any()


def test_what_is_before_the_film_or_after_it_is_not_heard(tmp_path: Path) -> None:
    sound = burst(2.0)
    placed = (PlacedSound("a", S(-1, 2), S(2)),)
    assert np.array_equal(mix(tmp_path, 1.0, *placed, a=sound), sound[RATE // 2 : RATE * 3 // 2])


def test_a_loop_has_no_gap_and_ends_when_asked(tmp_path: Path) -> None:
    sound = burst(0.3)
    samples = mix(tmp_path, 2.0, PlacedSound("a", S(0), S(1), loop=True), a=sound)
    assert np.array_equal(samples[:RATE], np.concatenate([sound] * 4)[:RATE])
    assert not samples[RATE:].any()


def test_the_beginning_of_a_file_can_be_left_out_also_of_a_loop(tmp_path: Path) -> None:
    sound, half = burst(0.5), RATE // 4
    placed = PlacedSound("a", S(1, 4), S(1), skip=S(1, 4))
    once = mix(tmp_path, 2.0, placed, a=sound)
    assert np.array_equal(once[half : 2 * half], sound[half:])
    assert not once[2 * half :].any()
    again = mix(tmp_path, 2.0, replace(placed, loop=True), a=sound)
    assert np.array_equal(again[half : 5 * half], np.concatenate([sound[half:]] * 4))


def test_two_sounds_that_cross_keep_their_power(tmp_path: Path) -> None:
    placed = (
        PlacedSound("a", S(0), S(2), fade_out=S(1)),
        PlacedSound("b", S(1), S(2), fade_in=S(1)),
    )
    samples = mix(tmp_path, 3.0, *placed, a=burst(2.0, seed=1), b=burst(2.0, seed=2))
    levels = [level(samples[at : at + RATE // 4]) for at in range(0, 3 * RATE, RATE // 4)]
    assert max(levels) - min(levels) < 0.5
    alone = mix(tmp_path, 2.0, placed[0], a=burst(2.0, seed=1))
    assert level(alone[RATE * 7 // 4 :]) < level(alone[:RATE]) - 10


def test_music_is_ducked_before_the_first_word_and_comes_back(tmp_path: Path) -> None:
    music, voice = tone(6.0), np.concatenate((silence(1.0), burst(1.0), silence(0.3), burst(0.5), silence(1.0)))
    placed = (PlacedSound("music", S(0), S(6), duck=-9.0), PlacedSound("voice", S(1), S(4), speech=True))
    samples = mix(tmp_path, 6.0, *placed, music=music, voice=voice)
    alone = samples - mix(tmp_path, 6.0, placed[1], voice=voice)

    def lowered(begin: float, end: float) -> float:
        part = slice(round(begin * RATE), round(end * RATE))
        return level(alone[part]) - level(music[part])

    assert lowered(0, 1.6) == pytest.approx(0, abs=0.1)  # speech begins at 2 s
    assert lowered(2.0, 3.8) == pytest.approx(-9, abs=0.1)  # also in the pause from 3 to 3.3 s
    assert -9 < lowered(4.3, 4.8) < -1
    assert lowered(5.1, 6.0) == pytest.approx(0, abs=0.1)
    unducked = mix(tmp_path, 6.0, PlacedSound("music", S(0), S(6)), placed[1], music=music, voice=voice)
    assert np.array_equal(unducked, mix(tmp_path, 6.0, placed[1], voice=voice) + music)


def finished(tmp_path: Path, track: Soundtrack, seconds: int, **files: Samples) -> tuple[Samples, MixReport]:
    made = {name: wav(tmp_path / f"{name}.wav", samples) for name, samples in files.items()}
    target, done = tmp_path / "mix.wav", []
    report = mix_to_file(track, made, seconds * RATE, target, lambda now, total: done.append((now, total)))
    assert mix_report(target) == report
    assert done == sorted(done)
    assert done[-1] == (seconds, seconds)
    assert sorted(path.name for path in tmp_path.glob("mix*")) == ["mix.wav"]
    return heard(target), report


def measured(samples: Samples) -> tuple[float, float]:
    meter = LoudnessMeter()
    meter.feed(samples)
    found = meter.result()
    return found.integrated, found.true_peak


@pytest.mark.parametrize(("loudness", "level"), [(-14.0, 0.02), (-16.0, 0.02), (-23.0, 0.02), (-16.0, 20.0)])
def test_a_mix_gets_one_gain_for_its_loudness(loudness: float, level: float, tmp_path: Path) -> None:
    track = Soundtrack((PlacedSound("a", S(0), S(5)),), loudness)
    samples, report = finished(tmp_path, track, 5, a=tone(5.0, level))
    assert measured(samples)[0] == pytest.approx(loudness, abs=0.1)
    assert report.limited == 0
    assert np.allclose(samples, tone(5.0, level) * 10 ** (report.gain / 20), rtol=1e-3)


def test_peaks_are_limited_without_touching_the_rest(tmp_path: Path) -> None:
    sound = np.concatenate((tone(2.5), silence(0.5), burst(0.02, level=0.9), silence(0.5), tone(2.5)))
    samples, report = finished(tmp_path, Soundtrack((PlacedSound("a", S(0), S(6)),), -14.0, -3.0), 6, a=sound)
    loudness, peak = measured(samples)
    assert loudness == pytest.approx(-14, abs=0.3)
    assert peak <= -2.9
    assert 0 <= report.limited < 1
    assert np.allclose(samples[: 2 * RATE], tone(2.0) * 10 ** (report.gain / 20), rtol=1e-3)


def test_much_limiting_is_reported_and_the_film_is_quieter(tmp_path: Path) -> None:
    clicks = np.concatenate([np.concatenate((burst(0.004, seed=n, level=0.5), silence(0.496))) for n in range(8)])
    samples, report = finished(tmp_path, Soundtrack((PlacedSound("a", S(0), S(4)),), -10.0), 4, a=clicks)
    assert report.limited > 1
    assert measured(samples)[1] <= -1.4
    assert measured(samples)[0] == pytest.approx(report.loudness, abs=0.2)


def test_silence_stays_silent_and_off_leaves_the_mix_alone(tmp_path: Path) -> None:
    samples, report = finished(tmp_path, Soundtrack((PlacedSound("a", S(0), S(1)),)), 1, a=silence(1.0))
    assert report.is_silent
    assert not samples.any()
    quiet = tone(1.0, 0.01)
    samples, report = finished(tmp_path, Soundtrack((PlacedSound("a", S(0), S(1)),), None), 1, a=quiet)
    assert np.array_equal(samples, quiet)
    assert (report.gain, report.is_silent) == (0, False)


def test_equal_soundtracks_give_equal_bytes(tmp_path: Path) -> None:
    track = Soundtrack((PlacedSound("a", S(0), S(3), loop=True, duck=-9.0), PlacedSound("b", S(1), S(1), speech=True)))
    bytes_ = set()
    for _ in range(2):
        finished(tmp_path, track, 3, a=burst(0.7), b=burst(1.0, seed=2))
        bytes_.add((tmp_path / "mix.wav").read_bytes())
    assert len(bytes_) == 1
    assert wav_comment(tmp_path / "mix.wav").startswith('{"mixed":')


@pytest.mark.slow
@pytest.mark.thorough  # half a minute; benchmarks.finishing measures the memory of a whole film with sounds
def test_ten_minutes_with_twenty_sounds_stay_small(tmp_path: Path) -> None:
    files = {"m": wav(tmp_path / "m.wav", tone(60.0)), "v": wav(tmp_path / "v.wav", burst(5.0))}
    music = tuple(PlacedSound("m", S(n), S(590), loop=True, duck=-9.0) for n in range(10))
    voices = tuple(PlacedSound("v", S(50 * n), S(5), speech=True) for n in range(10))
    tracemalloc.start()
    mix_to_file(Soundtrack((*music, *voices)), files, 600 * RATE, tmp_path / "mix.wav", lambda *_: None)
    assert tracemalloc.get_traced_memory()[1] < 150_000_000
    tracemalloc.stop()


def test_a_burst_is_found_where_it_is() -> None:
    """The measure of these tests can fail."""
    assert place(burst(), np.concatenate((silence(0.25), burst(), silence(1.0)))) == RATE // 4
