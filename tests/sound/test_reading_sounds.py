"""Any sound file becomes the same samples; a broken one is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.media.films import Shelf, cut_of, film
from tests.sound.sounds import burst, encoded, heard, place, silence, wav
from wan_render.cut import Event
from wan_render.errors import InputError
from wan_render.facts import FactCache
from wan_render.plan import CardText
from wan_render.sound import sound_facts
from wan_render.sound.soundtrack import RATE


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wav(tmp_path_factory.mktemp("sounds") / "original.wav", silence(0.5), burst(), silence(0.5))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("s24.wav", ["-c:a", "pcm_s24le"]),
        ("mono.wav", ["-ac", "1", "-c:a", "pcm_u8"]),
        ("cd.flac", ["-ar", "44100"]),
        ("high.flac", ["-ar", "96000"]),
        ("surround.wav", ["-af", "pan=5.1|FL=FL|FR=FR|FC=FL|LFE=FL|BL=FL|BR=FR", "-c:a", "pcm_s16le"]),
        ("phone.wav", ["-ar", "8000", "-ac", "1", "-c:a", "pcm_s16le"]),
        ("constant.mp3", ["-ar", "44100", "-ac", "1", "-b:a", "128k"]),
        ("vorbis.ogg", ["-c:a", "libvorbis", "-ar", "44100"]),
        ("opus.ogg", ["-c:a", "libopus"]),
        ("aac.m4a", ["-c:a", "aac", "-b:a", "192k"]),
        ("pcm.aiff", []),
    ],
)
def test_every_format_is_read_in_time_and_at_its_length(
    name: str, options: list[str], original: Path, tmp_path: Path
) -> None:
    samples = heard(encoded(original, tmp_path / name, *options))
    assert abs(place(burst(), samples) - RATE // 2) <= (8 if "8000" in options else 1)
    assert abs(len(samples) - 1.5 * RATE) <= 0.02 * RATE


def test_facts_are_cached_and_say_what_the_file_is(original: Path, tmp_path: Path) -> None:
    file = encoded(original, tmp_path / "mono.flac", "-ac", "1", "-ar", "44100")
    cache = FactCache(tmp_path / "cache")
    facts = sound_facts(file, cache)
    assert (facts.form, facts.streams, facts.is_silent) == ("flac, 44.1 kHz, mono", 1, False)
    assert abs(float(facts.seconds) - 1.5) < 0.001
    assert sound_facts(file, cache) == facts
    assert sound_facts(wav(tmp_path / "silent.wav", silence(0.1)), cache).is_silent


NOT_A_NUMBER = np.float32("nan")


def refusal(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        sound_facts(file, FactCache(file.parent / "cache"))
    return str(caught.value)


def test_broken_sounds_are_told(original: Path, tmp_path: Path) -> None:
    flac = encoded(original, tmp_path / "whole.flac").read_bytes()
    for name, content, words in (
        ("empty.wav", b"", "is empty"),
        ("text.mp3", b"no sound at all\n" * 99, "cannot be read as sound"),
        ("half.wav", original.read_bytes()[: len(original.read_bytes()) // 2], "cut off"),
        ("half.flac", flac[: len(flac) // 2], "is damaged"),
        ("damaged.flac", flac[:5000] + bytes(4000) + flac[9000:], "is damaged"),
        (
            "infinite.wav",
            wav(tmp_path / "1.wav", silence(1), silence(0.1) + np.float32("nan")).read_bytes(),
            "no numbers, from",
        ),
        ("none.wav", wav(tmp_path / "no.wav", silence(0)).read_bytes(), "has no samples"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        assert words in refusal(file), name
    assert "cannot be read" in refusal(tmp_path / "missing.wav")
    assert "is not a file" in refusal(tmp_path)


def test_playlists_and_pictures_are_not_opened(original: Path, tmp_path: Path) -> None:
    """A playlist would open other files, or the network."""
    playlist = tmp_path / "list.wav"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{original}\n")
    assert "cannot be read as sound" in refusal(playlist)


def test_the_sound_of_a_video_can_be_used_and_its_absence_is_told(original: Path, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    movie = film(cut_of(Event("1/010", CardText(""), 0, 16, joint=None)), shelf)
    with_sound = encoded(original, tmp_path / "sounding.mkv", "-i", str(movie), "-map", "0:a", "-map", "1:v")
    assert abs(place(burst(), heard(with_sound)) - RATE // 2) <= 1
    mute = encoded(movie, tmp_path / "mute.mp4", "-an", "-c:v", "copy")
    assert "is a video without sound" in refusal(mute)
