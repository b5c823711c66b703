from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, environment
from tests.conftest import Smi
from wan_render.media import ffmpeg
from wan_render.settings import install_command


def film_of(done: subprocess.CompletedProcess[str], folder: Path) -> Path:
    return folder / done.stdout.splitlines()[-1]


def test_a_new_film_passes_check_and_renders_without_changes(wan_render: Run) -> None:
    assert wan_render("new", "first").returncode == 0
    assert "no mistakes" in wan_render("check", "first/storyboard.yaml").stdout
    assert "2 takes" in wan_render("plan", "first/storyboard.yaml", "--backend", "animatic").stdout
    assert wan_render("new", "first").returncode == 2


def test_render_prints_the_film_last_and_does_not_make_it_again(wan_render: Run, harbour: Path, tmp_path: Path) -> None:
    done = wan_render("render", harbour, "--backend", "animatic")
    assert done.returncode == 0, done.stderr
    film = film_of(done, tmp_path)
    assert film.name == "film.mp4"
    assert film.parent.name == "v001"
    again = wan_render("render", harbour, "--backend", "animatic")
    assert film_of(again, tmp_path) == film
    assert "every take exists" in again.stderr
    assert "unchanged" in again.stdout


def test_a_changed_prompt_makes_only_that_shot_stale(wan_render: Run, harbour: Path) -> None:
    assert wan_render("render", harbour, "--backend", "animatic").returncode == 0
    harbour.write_text(harbour.read_text().replace("boats come home", "the boats leave"))
    plan = json.loads(wan_render("plan", harbour, "--backend", "animatic", "--json").stdout)
    assert [(shot["id"], shot["state"], shot["why"]) for shot in plan["shots"]] == [
        ("1/010", "found", ""),
        ("1/020", "stale", "prompt changed"),
    ]


def test_a_shared_picture_makes_exactly_its_two_shots_stale(wan_render: Run, harbour: Path) -> None:
    from PIL import Image

    text = harbour.read_text() + "  - {shot: '030', from: dawn, to: dusk}\n"
    harbour.write_text(text)
    assert wan_render("render", harbour, "--backend", "animatic").returncode == 0
    Image.new("RGB", (96, 96), (90, 200, 90)).save(harbour.parent / "keyframes" / "noon.png")
    plan = json.loads(wan_render("plan", harbour, "--backend", "animatic", "--json").stdout)
    assert [shot["state"] for shot in plan["shots"]] == ["stale", "stale", "found"]
    assert plan["shots"][0]["why"] == "last keyframe changed"
    assert plan["shots"][1]["why"] == "first keyframe changed"


def test_only_renders_the_named_shots_and_reports_the_missing_ones(wan_render: Run, harbour: Path) -> None:
    done = wan_render("render", harbour, "--backend", "animatic", "--only", "1/020")
    assert done.returncode == 1
    assert "slate: 1/010: not rendered: not selected" in done.stderr
    unknown = wan_render("render", harbour, "--backend", "animatic", "--only", "1/02")
    assert unknown.returncode == 2
    assert "no such shot or scene" in unknown.stderr
    assert "did you mean '1/020'?" in unknown.stderr


def test_a_name_that_several_shots_have_is_answered_with_all_of_them(wan_render: Run, harbour: Path) -> None:
    harbour.write_text(harbour.read_text().replace("shots:", "scenes:\n- &one\n  shots:") + "- shots: [{card: x}]\n")
    done = wan_render("takes", harbour, "010")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "'010': several shots have this name; allowed: 1/010, 2/010"


@pytest.mark.parametrize(
    ("shot", "option", "value", "line"),
    [
        ("1/010", "--ng", "1", "  - {from: dawn, to: noon, action: the light climbs, ng: [1]}  # over the quay"),
        ("020", "--circle", "2", "    circle: 2"),
        ("1/020", "--circle", "1@0123abcd", "    circle: 1@0123abcd"),
    ],
)
def test_takes_edits_one_line_and_keeps_comments(
    wan_render: Run, harbour: Path, shot: str, option: str, value: str, line: str
) -> None:
    before = harbour.read_text().splitlines()
    done = wan_render("takes", harbour, shot, option, value)
    assert done.returncode == 0, done.stderr
    after = harbour.read_text().splitlines()
    assert line in after
    assert len(set(after) - set(before)) == 1
    assert "  # the first light" in after


def test_a_refused_take_is_listed_as_it_was_rendered(wan_render: Run, harbour: Path) -> None:
    assert wan_render("render", harbour, "--backend", "animatic").returncode == 0
    listed = ("takes", harbour, "1/010", "--backend", "animatic", "--json")
    (before,) = json.loads(wan_render(*listed).stdout)["takes"]
    assert wan_render("takes", harbour, "1/010", "--ng", "1").returncode == 0
    refused, wanted = json.loads(wan_render(*listed).stdout)["takes"]
    assert refused == before | {"state": "refused", "chosen": False}
    assert (wanted["number"], wanted["chosen"]) == (2, True)
    circled = wan_render("takes", harbour, "1/010", "--circle", "7")
    assert circled.stdout.splitlines()[-1] == "1/010: take 7 is not rendered yet: the next render makes it"
    assert "take 1  refused" in wan_render(*listed[:-1]).stdout


def test_takes_changes_an_existing_value(wan_render: Run, harbour: Path) -> None:
    for number in ("2", "3"):
        assert wan_render("takes", harbour, "1/020", "--ng", number).returncode == 0
    assert "    ng: [2, 3]" in harbour.read_text().splitlines()


def test_takes_refuses_a_line_that_an_alias_shares(wan_render: Run, harbour: Path) -> None:
    text = harbour.read_text().replace('  - shot: "020"', '  - &same\n    shot: "020"')
    harbour.write_text(text + "x-again: *same\n")
    done = wan_render("takes", harbour, "1/020", "--circle", "2")
    assert done.returncode == 2
    assert "write it there yourself: circle: 2" in done.stderr
    assert "x-again" in harbour.read_text()
    assert "circle" not in harbour.read_text()


def test_retake_renders_the_next_number(wan_render: Run, harbour: Path) -> None:
    assert wan_render("render", harbour, "--backend", "animatic").returncode == 0
    done = wan_render("render", harbour, "--backend", "animatic", "--retake", "1/020")
    assert done.returncode == 0, done.stderr
    assert "1/020 take 2: rendered" in done.stderr
    listed = json.loads(wan_render("takes", harbour, "1/020", "--backend", "animatic", "--json").stdout)
    assert [(take["number"], take["state"], take["chosen"]) for take in listed["takes"]] == [
        (1, "refused", False),
        (2, "found", True),
    ]


def test_prune_deletes_nothing_unasked_and_then_what_no_film_uses(
    wan_render: Run, harbour: Path, tmp_path: Path
) -> None:
    wan_render("render", harbour, "--backend", "animatic")
    harbour.write_text(harbour.read_text().replace("boats come home", "the boats leave"))
    wan_render("render", harbour, "--backend", "animatic")
    takes = tmp_path / "outputs" / "takes"
    assert "1 take" in wan_render("prune", harbour, "--backend", "animatic", "--keep", "1").stdout
    assert len([path for path in takes.iterdir() if path.name[0] != "."]) == 3
    assert wan_render("prune", harbour, "--backend", "animatic", "--keep", "1", "--yes").returncode == 0
    assert len([path for path in takes.iterdir() if path.name[0] != "."]) == 2


@pytest.mark.parametrize(
    "arguments", [("render",), ("plan",), ("check",), ("takes",), ("open",), ("prune", "--keep", "1")]
)
def test_bad_input_ends_with_two_and_without_a_traceback(
    wan_render: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nshots:\n  - {from: nowhere, duratoin: 5s}\n")
    done = wan_render(arguments[0], bad, *arguments[1:])
    assert done.returncode == 2
    assert "bad.yaml:3" in done.stderr
    assert "did you mean 'duration'?" in done.stderr
    assert "Traceback" not in done.stderr
    missing = wan_render(arguments[0], "nowhere.yaml", *arguments[1:])
    assert missing.returncode == 2
    assert "no such file" in missing.stderr


def test_an_unknown_backend_is_refused_with_the_known_ones(wan_render: Run, harbour: Path) -> None:
    done = wan_render("plan", harbour, "--backend", "animatik")
    assert done.returncode == 2
    assert "allowed: animatic, comfyui, dashscope, wan" in done.stderr


def test_missing_weights_are_a_warning_of_plan_and_an_error_of_render(
    wan_render: Run, harbour: Path, tmp_path: Path
) -> None:
    plan = wan_render("plan", harbour)
    assert plan.returncode == 0
    assert "warning: " in plan.stdout
    done = wan_render("render", harbour)
    assert done.returncode == 3
    assert "run: wan-render models pull wan2.1-flf2v-14b" in done.stderr
    assert not list((tmp_path / "outputs").glob("films/*/v001"))


def test_without_ffmpeg_nothing_is_rendered_that_could_not_be_written(
    wan_render: Run, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_FFMPEG", "/nowhere/ffmpeg")
    done = wan_render("render", harbour, "--backend", "animatic")
    assert done.returncode == 3
    assert done.stderr.splitlines()[1].startswith("WAN_RENDER_FFMPEG: /nowhere/ffmpeg is not a program")
    assert "begins" not in done.stderr


STUCK_FFMPEG = """\
#!/bin/sh
case "$*" in *preview.mp4*)
    if [ -e "$0.once" ]; then while kill -0 $PPID; do sleep 0.1; done; exit 1; fi
    touch "$0.once" ;;
esac
exec '{program}' "$@"
"""
"""It makes the preview of one take, and never ends with that of the next."""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_finished_takes_and_can_continue(
    wan_render: Run, harbour: Path, tmp_path: Path, number: int, code: int
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(STUCK_FFMPEG.format(program=ffmpeg.program()), encoding="utf-8")
    program.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "wan_render.cli", "render", str(harbour), "--backend", "animatic"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**environment(tmp_path), "WAN_RENDER_FFMPEG": str(program)},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "[1/2] 1/010 take 1: rendered" in line:
            break
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == code
    assert "[2/2]" not in rest, "the second take was rendered to its end"
    done = wan_render("render", harbour, "--backend", "animatic")
    assert done.returncode == 0
    assert "1/010 take 1: begins" not in done.stderr


def test_doctor_reports_what_this_machine_has(wan_render: Run) -> None:
    done = wan_render("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = {finding["what"]: finding["found"] for finding in json.loads(done.stdout)["findings"]}
    assert {"python", "ffmpeg", "fonts", "cpu", "outputs"} <= set(found)
    assert "wan2.1-flf2v-14b" in found


@pytest.mark.parametrize(("what", "status"), [("outputs", 3), ("cache", 0)])
def test_doctor_reports_an_unusable_folder(
    wan_render: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, status: int
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv(f"WAN_RENDER_{what.upper()}", str(file / what))
    done = wan_render("doctor", "--json")
    found = next(each for each in json.loads(done.stdout)["findings"] if each["what"] == what)
    why = "cannot be the outputs folder: Not a directory" if what == "outputs" else f"{file} is not a folder"
    assert found["found"] == f"{file / what}: {why}"
    assert found["remedy"] == f"name another folder in WAN_RENDER_{what.upper()}"
    assert done.returncode == status


@pytest.mark.parametrize(
    ("gpu", "capability", "profiles", "lacking"),
    [
        ("NVIDIA H200", "9.0", "fast (exact-attention)", "FlashAttention 3 is not installed; it needs fa3-fwd"),
        ("NVIDIA A100", "8.0", "fast (8-bit-weights)", "the device has compute capability 8.0; float8"),
        (
            "RTX 2080",
            "7.5",
            "draft (exact); not fast, balanced",
            "the device has compute capability 7.5; float8",
        ),
    ],
)
def test_doctor_says_which_profiles_a_gpu_can_render(
    wan_render: Run, smi: Smi, gpu: str, capability: str, profiles: str, lacking: str
) -> None:
    smi(f"GPU-aaaa-1, 81920, {gpu}\n", capabilities=f"GPU-aaaa-1, {capability}\n")
    findings = {each["what"]: each for each in json.loads(wan_render("doctor", "--json").stdout)["findings"]}
    assert findings["cuda:0"]["found"].startswith(gpu)
    found = findings["profiles"]
    assert found["found"].startswith("exact, ")
    assert profiles in found["found"]
    assert f"cuda:0: {lacking}" in found["found"]
    assert (found["remedy"] == install_command("hopper")) == (capability == "9.0")
    assert bool(found["remedy"]) == (capability in {"9.0", "7.5"})  # an Ada card lacks nothing that could be had


def test_doctor_and_render_name_what_cuda_visible_devices_hides(
    wan_render: Run, harbour: Path, smi: Smi, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi("GPU-a, 24564, RTX 4090\nGPU-b, 143771, H200\n", capabilities="GPU-a, 8.9\nGPU-b, 9.0\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-3f3f")
    words = "CUDA_VISIBLE_DEVICES: 'MIG-3f3f' leaves none of the 2 GPUs of this machine: MIG-3f3f names a MIG slice"
    assert words in wan_render("doctor").stdout
    refused = wan_render("render", harbour)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert "allowed: numbers or UUIDs from 0 (GPU-a, RTX 4090), 1 (GPU-b, H200)" in refused.stderr
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,7")
    warning = "'1,7' leaves only cuda:1 of the 2 GPUs of this machine: '7' is not one of them"
    assert warning in wan_render("doctor").stdout
    assert f"warning: CUDA_VISIBLE_DEVICES: {warning}" in wan_render("plan", harbour).stdout


def test_with_different_gpus_the_ones_that_can_render_a_profile_are_named(
    wan_render: Run, harbour: Path, smi: Smi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi("GPU-a, 11264, RTX 2080\nGPU-b, 143771, H200\n", capabilities="GPU-a, 7.5\nGPU-b, 9.0\n")
    (tmp_path / "packages" / "fa3_fwd").mkdir(parents=True)
    (tmp_path / "packages" / "fa3_fwd" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path / "packages"), *sys.path))))
    who = "rendered on cuda:1, not on cuda:0: the device has compute capability 7.5; float8"
    findings = {each["what"]: each["found"] for each in json.loads(wan_render("doctor", "--json").stdout)["findings"]}
    assert findings["some devices"].startswith(f"fast, balanced: {who}")
    assert "rendered on" not in wan_render("plan", harbour).stdout, "every device renders exact"
    harbour.write_text(harbour.read_text().replace("seed: 5", "seed: 5, profile: fast"))
    assert f"warning: profile 'fast': {who}" in wan_render("plan", harbour).stdout


@pytest.mark.usefixtures("smi")
def test_doctor_says_which_profiles_a_cpu_can_render(wan_render: Run) -> None:
    findings = {each["what"]: each["found"] for each in json.loads(wan_render("doctor", "--json").stdout)["findings"]}
    assert findings["profiles"] == "exact, draft (exact)"


def test_open_prints_the_path_of_the_page(wan_render: Run, harbour: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER", "true")
    assert wan_render("open", harbour, "--backend", "animatic").returncode == 2
    wan_render("render", harbour, "--backend", "animatic")
    assert wan_render("open", harbour, "--backend", "animatic").stdout.strip().endswith("v001/index.html")


NOT_FOR_CHECK = (
    *("torch", "diffusers", "prefect", "pandas", "ffmpeg", "av", "cv2", "numpy", "jinja2", "rich", "argcomplete"),
    *("pydantic_settings", "asyncio", "httpx", "flows", "wan_render.workflows"),
    *(f"wan_render.farm.{part}" for part in ("device_farm", "dispatch", "ordering", "process", "scheduler")),
    *(f"wan_render.backends.{other}" for other in ("animatic", "comfyui", "dashscope")),
    *(f"wan_render.{room}" for room in ("bounded_http", "diagnosis", "editors", "estimates", "media", "night")),
    *(f"wan_render.{room}" for room in ("production", "report", "retime", "status", "upscale", "wheels")),
    *(f"wan_render.backends.wan.{room}" for room in ("checkpoint", "kernels", "layouts", "lora", "memory")),
    *(f"wan_render.backends.wan.{room}" for room in ("opening", "parallel", "pipeline", "weights")),
)
"""What `check` must not import, with all that is in it: each costs milliseconds of every start."""


def imported(*typed: str) -> set[str]:
    """The modules that a command imports in a process of its own, and the packages that they are in."""
    run = "import sys; from wan_render.cli import main; sys.stdout, said = sys.stderr, sys.stdout\n"
    run += "try: main(sys.argv[1:])\nexcept SystemExit: pass\nprint(*sys.modules, file=said)"
    done = subprocess.run([sys.executable, "-c", run, *typed], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("names_a_model", [False, True])
def test_check_imports_only_what_reading_and_planning_need(harbour: Path, *, names_a_model: bool) -> None:
    if names_a_model:
        harbour.write_text(harbour.read_text().replace("seed: 5", "seed: 5, flf2v: {model: wan2.1-flf2v-14b}"))
    found = imported("check", str(harbour))
    assert "wan_render.plan.make" in found
    assert not found.intersection(NOT_FOR_CHECK)


def test_help_of_all_commands_imports_no_storyboard_and_no_farm() -> None:
    found = imported("--help")
    assert "flows.commands" in found
    assert not found.intersection(("pydantic", "yaml", "prefect", "wan_render.settings", "wan_render.plan"))


def test_text_that_the_font_cannot_draw_is_named_beforehand(wan_render: Run, harbour: Path) -> None:
    harbour.write_text(harbour.read_text() + "  - {shot: '030', card: 'the end Ꮳ 完'}\n")
    plan = wan_render("plan", harbour, "--backend", "animatic")
    assert f"warning: {harbour}:12:19: shots[2].card: no font has a glyph for Ꮳ" in plan.stdout
    check = wan_render("check", harbour)
    assert check.returncode == 2
    assert f"{harbour}:12:19: shots[2].card: no font has a glyph for Ꮳ (U+13E3); a character" in check.stderr
    assert "no font has a glyph" in json.loads(wan_render("check", harbour, "--json").stdout)["mistakes"][0]["found"]


def test_check_refuses_a_folder_of_fonts_that_is_not_there(
    wan_render: Run, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harbour.write_text(harbour.read_text() + "  - {shot: '030', card: 'Ꮳ'}\n")
    monkeypatch.setenv("WAN_RENDER_FONTS", str(harbour.parent / "gone"))
    check = wan_render("check", harbour)
    assert check.returncode == 2
    assert (
        check.stderr == f"WAN_RENDER_FONTS: {harbour.parent}/gone: No such file or directory; a folder of fonts; "
        "correct or unset it\n"
    )


def test_text_that_the_font_cannot_draw_is_named_on_the_films_page(
    wan_render: Run, harbour: Path, tmp_path: Path
) -> None:
    titles = 'titles: {open: [{text: "ᎠᏂᏴ ᏫᏯᎢ", for: 1s}]}\n'
    harbour.write_text(harbour.read_text() + "  - {shot: '030', card: 'the end Ꮳ 完'}\n" + titles, encoding="utf-8")
    expected = [
        f"{harbour}:13:17: titles.open[0]: "
        "no font has a glyph for Ꭰ (U+13A0), Ꮒ (U+13C2), Ᏼ (U+13F4), Ꮻ (U+13EB), Ꮿ (U+13EF) and 1 more",
        f"{harbour}:12:19: shots[2].card: no font has a glyph for Ꮳ (U+13E3)",
    ]

    film = film_of(wan_render("render", harbour, "--backend", "animatic"), tmp_path)

    notices = (film.parent / "index.html").read_text(encoding="utf-8").partition('id="warnings"')[2]
    assert [line.partition(";")[0] for line in notices.splitlines() if ": no font has" in line] == [
        f'<li dir="auto">{line}' for line in expected
    ]
    stored = json.loads((film.parent / "plan.json").read_text(encoding="utf-8"))
    planned = json.loads(wan_render("plan", harbour, "--backend", "animatic", "--json").stdout)
    for plan in (stored, planned):
        warnings = [f"{each['where']}: {each['found']}" for each in plan["warnings"]]
        assert [warning for warning in warnings if "no font" in warning] == expected


NO_GPU = "on one NVIDIA H200 (no NVIDIA GPU is here; on this CPU about "


def to_render(done: subprocess.CompletedProcess[str]) -> str:
    """The expected time of a plan, and the devices that it is for."""
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("to render: ")]
    return line.partition(", ")[2].partition(", then")[0]


def large(storyboard: Path) -> Path:
    """A storyboard with a raster and a length that make a group of GPUs worthwhile."""
    storyboard.write_text(storyboard.read_text().replace("64x64", "832x480").replace("1s", "5s"))
    return storyboard


def listed(*names: str) -> str:
    """The output of nvidia-smi for such GPUs."""
    return "".join(f"GPU-{place}, 143771, {name}\n" for place, name in enumerate(names))


@pytest.mark.usefixtures("smi")
def test_a_plan_without_a_gpu_says_which_gpu_its_time_is_for(
    wan_render: Run, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(harbour)
    assert to_render(wan_render("plan", harbour)).startswith(f"about 8 min (6 to 11 min, estimated) {NO_GPU}")
    assert to_render(wan_render("plan", harbour, "--backend", "animatic")).endswith(" on 1 device")
    monkeypatch.setenv("WAN_RENDER_DEVICES", "cpu")
    assert " days " in to_render(wan_render("plan", harbour)), "who asks for the CPU gets its time"


@pytest.mark.usefixtures("smi")
def test_a_plan_for_a_missing_device_has_a_warning(
    wan_render: Run, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_DEVICES", "cuda:0")
    done = wan_render("plan", large(harbour))
    time = "about 8 min (6 to 11 min, estimated) on one NVIDIA H200 (no usable device is here)"
    assert to_render(done) == f"{time}, 0.14 GPU-hours"
    assert "warning: WAN_RENDER_DEVICES: unknown device 'cuda:0'; allowed: auto, or some of cpu" in done.stdout


@pytest.mark.parametrize(
    ("groups", "time"), [("auto", "2 min (estimated)"), ("asked", "4 min (3 to 6 min, estimated)")]
)
def test_a_plan_counts_the_gpus_and_the_groups_that_they_form(
    wan_render: Run, harbour: Path, smi: Smi, monkeypatch: pytest.MonkeyPatch, groups: str, time: str
) -> None:
    smi(listed(*["NVIDIA H200"] * 4))
    monkeypatch.setenv("WAN_RENDER_GROUPS", groups)
    assert to_render(wan_render("plan", large(harbour))) == f"about {time} on 4 devices, 0.14 GPU-hours"


def test_a_plan_says_if_its_time_is_for_another_gpu(wan_render: Run, harbour: Path, smi: Smi) -> None:
    smi(listed("NVIDIA L40S"))
    time = "about 8 min (3 to 18 min, estimated for NVIDIA H200) on 1 device"
    assert to_render(wan_render("plan", large(harbour))) == f"{time}, 0.14 GPU-hours"


@pytest.mark.parametrize(("price", "named"), [("2.50 EUR", "0.34 EUR"), ("100", "13.74")])
def test_a_plan_names_the_price_of_its_gpu_hours(
    wan_render: Run, harbour: Path, smi: Smi, monkeypatch: pytest.MonkeyPatch, price: str, named: str
) -> None:
    smi(listed("NVIDIA H200"))
    monkeypatch.setenv("WAN_RENDER_GPU_HOUR_PRICE", price)
    assert to_render(wan_render("plan", large(harbour))).endswith(f" on 1 device, 0.14 GPU-hours, about {named}")
    run = json.loads(wan_render("plan", harbour, "--json").stdout)["expected"]["run"]
    amount, _, currency = named.partition(" ")
    assert run["price"] == {"amount": amount, "currency": currency}
    assert run["low_seconds"] < run["seconds"] < run["high_seconds"]
    assert (run["devices"], run["is_guessed"], run["gpu_hours"]) == (1, True, 0.14)


def test_a_pin_to_a_missing_clip_is_a_warning_of_plan_and_render(wan_render: Run, harbour: Path) -> None:
    harbour.write_text(harbour.read_text() + "    circle: 1@7f3a91\n")
    words = f"warning: {harbour}:8:5: shots[1]: this shot will be a slate: circle: 1@7f3a91 keeps a clip, but no such"
    assert words in wan_render("plan", harbour, "--backend", "animatic").stdout
    done = wan_render("render", harbour, "--backend", "animatic")
    assert done.returncode == 1
    assert words in done.stderr


def test_an_unknown_setting_is_refused_and_doctor_lists_the_known_ones(
    wan_render: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "WAN_RENDER_DEVICES" in wan_render("doctor").stdout
    monkeypatch.setenv("WAN_RENDER_DEVICE", "cpu")
    done = wan_render("doctor")
    assert done.returncode == 2
    assert done.stderr.startswith("WAN_RENDER_DEVICE: unknown setting; allowed: WAN_RENDER_OUTPUTS")


COMMANDS = [
    ("doctor", "--json"),
    ("models",),
    ("models", "pull", "wan2.1-flf2v-14b", "--to", "weights"),
    *[(command, "harbour.yaml") for command in ("check", "plan", "render", "takes", "open")],
    ("prune", "harbour.yaml", "--keep", "1"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_reports_all_wrong_settings_at_once(
    wan_render: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    wrong = {
        "DEVICE": "cpu",
        "GROUPS": "al",
        "MEMORY_FIT": "Resident",
        "KEEP_LATENTS": "maybe",
        "PATIENCE": "0",
        "GPU_HOUR_PRICE": "-2",
        "MAX_COST": "30",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(f"WAN_RENDER_{name}", value)
    done = wan_render(*command)
    assert done.returncode == 2
    assert done.stdout == ""
    device, *others = done.stderr.splitlines()
    assert device.startswith("WAN_RENDER_DEVICE: unknown setting; allowed: WAN_RENDER_OUTPUTS, ")
    assert device.endswith("; did you mean 'WAN_RENDER_DEVICES'?")
    assert others == [
        "WAN_RENDER_MEMORY_FIT: invalid value 'Resident'; allowed: auto, resident, freed, streamed, tiled; "
        "did you mean 'resident'?",
        "WAN_RENDER_GROUPS: invalid value 'al'; allowed: auto, asked, off; "
        "write one of these, or unset it (default: auto)",
        "WAN_RENDER_KEEP_LATENTS: invalid value 'maybe'; allowed: true, false, yes, no, on, off, 1, 0; "
        "write one of these, or unset it (default: false)",
        "WAN_RENDER_PATIENCE: invalid value '0'; a number above 0; correct or unset it (default: 1)",
        "WAN_RENDER_GPU_HOUR_PRICE: invalid value '-2'; money per GPU and hour: 2.5, or with a currency 2.50 EUR; "
        "correct or unset it",
        "WAN_RENDER_MAX_COST: invalid value '30'; an amount and its currency: 30 CNY; correct it",
    ]


def test_a_setting_is_named_as_it_was_written(wan_render: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("wan_render_kernels", "stok")
    monkeypatch.setenv("wan_render_zoom", "2")
    done = wan_render("doctor")
    assert done.returncode == 2
    zoom, kernels = done.stderr.splitlines()
    assert zoom.startswith("wan_render_zoom: unknown setting; ")
    assert zoom.endswith("; unset it")
    assert kernels == "wan_render_kernels: invalid value 'stok'; allowed: auto, stock; did you mean 'stock'?"


@pytest.mark.usefixtures("smi")
def test_doctor_says_that_a_device_of_the_settings_is_not_here(
    wan_render: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_DEVICES", "cpu,cuda:0")
    done = wan_render("doctor", "--json")
    assert done.returncode == 3
    findings = {each["what"]: each for each in json.loads(done.stdout)["findings"]}
    assert findings["WAN_RENDER_DEVICES"]["found"] == "cpu,cuda:0: unknown device 'cuda:0'"
    assert findings["WAN_RENDER_DEVICES"]["remedy"] == "allowed: auto, or some of cpu"


def test_an_empty_setting_is_not_set(wan_render: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("WAN_RENDER_OUTPUTS", "WAN_RENDER_FFMPEG", "WAN_RENDER_GROUPS"):
        monkeypatch.setenv(variable, "")
    done = wan_render("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = {finding["what"]: finding["found"] for finding in json.loads(done.stdout)["findings"]}
    assert (found["WAN_RENDER_OUTPUTS"], found["WAN_RENDER_FFMPEG"]) == ("not set", "not set")


def test_a_terminal_that_cannot_show_a_title_gets_escapes(
    wan_render: Run, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harbour.write_text(harbour.read_text().replace("Harbour", "江"), encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = wan_render("plan", harbour, "--backend", "animatic")
    assert done.returncode == 0
    assert done.stdout.startswith("\\u6c5f")


def test_output_that_cannot_be_written_is_a_disk_error(harbour: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "wan_render.cli", "plan", str(harbour), "--backend", "animatic"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(tmp_path),
            check=False,
        )
    assert done.returncode == 3
    assert "standard output: cannot be written: No space left on device" in done.stderr


@pytest.mark.parametrize("capabilities", ["GPU-a, 9.0\nGPU-b, 9.0\n", "GPU-a, 7.5\nGPU-b, 7.5\n"])
def test_the_doctor_breaks_long_lines_between_clauses_and_keeps_all_words(
    wan_render: Run, smi: Smi, capabilities: str
) -> None:
    smi("GPU-a, 24564, RTX 4090\nGPU-b, 143771, H200\n", capabilities=capabilities)
    lines = wan_render("doctor").stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("-- profiles"))
    after = next(at for at, line in enumerate(lines[at + 1 :], at + 1) if not line.startswith(" "))
    assert after - at > 1
    assert len(lines[at]) <= 120
    profiles = next(
        each for each in json.loads(wan_render("doctor", "--json").stdout)["findings"] if each["what"] == "profiles"
    )
    printed = " ".join(" ".join(lines[at:after]).split())
    assert printed == f"-- profiles {profiles['found']} → {profiles['remedy']}"
