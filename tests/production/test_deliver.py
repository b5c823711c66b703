"""Deliverables of a film: made after it, once, continued after a stop, and described."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.production.solid import CPU, Solid, a_take, film, painted
from tests.reference import produce
from wan_render.authored import DeliverableForm
from wan_render.errors import FfmpegError, Problem
from wan_render.plan import FilmDeliverables, FilmPlan, PlannedDeliverable, StillPicture
from wan_render.production import deliver
from wan_render.production import finish as finishing
from wan_render.production.film_change import with_film_change
from wan_render.production.film_stages import FilmStage
from wan_render.production.finish import finish
from wan_render.production.run import Run, begin
from wan_render.report.film_index import film_index
from wan_render.status import film_bytes, status
from wan_render.store import FilmVersion, Store
from wan_render.store.delivered_files import DeliveredFiles
from wan_render.take import Size

SPAWN = get_context("spawn")


def planned(folder: Path, *forms: DeliverableForm) -> FilmPlan:
    """A take and a still at 64x48, with deliverables."""
    plate, pictures = painted(folder, 30)
    plan = film(folder, {"1/010": a_take("dawn"), "1/020": StillPicture(plate)}, pictures)
    wanted = tuple(PlannedDeliverable(form, Size(64, 48), plan.rate, 10) for form in forms)
    return replace(plan, deliverables=FilmDeliverables(wanted, first_timecode=57600))


def render(folder: Path, *forms: DeliverableForm) -> FilmVersion:
    return produce(planned(folder, *forms), Solid(folder / "diary"), Store(folder / "outputs"), CPU)


def bytes_of(film: FilmVersion) -> dict[str, bytes]:
    folder = DeliveredFiles(film.folder).folder
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix not in (".json", "")}


def test_an_old_film_gets_its_deliverables_without_being_made_again(tmp_path: Path) -> None:
    film = render(tmp_path)
    before = film.video.stat().st_mtime_ns
    _as_of_an_earlier_version(film)
    plan, store, solid = planned(tmp_path, "prores422hq", "preview"), Store(tmp_path / "outputs"), Solid(tmp_path / "d")
    found = with_film_change(Run(plan, solid, store, status(plan, store, solid), ()))
    assert (found.undelivered, found.film_change) == (("prores422hq", "preview"), "")
    assert found.film_seconds > 0 < found.bytes < film_bytes(plan)

    said: list[FilmStage] = []
    with begin(plan, solid, store) as run:
        again = finish(run, {}, progress=said.append)

    delivered = [stage.share for stage in said if stage.name.startswith("deliver")]
    assert (delivered[0], delivered[-1]) == (0, 1)
    assert delivered == sorted(delivered)
    assert (again.folder, again.reused, again.video.stat().st_mtime_ns) == (film.folder, True, before)
    assert solid.noted("render") == 0
    assert (film.folder / "film.provenance.json").exists()
    assert set(bytes_of(again)) == {"river-v001-prores422hq.mov", "river-v001-preview.mp4"}
    assert with_film_change(Run(plan, solid, store, status(plan, store, solid), ())).undelivered == ()
    page = film_index(store)
    assert 'href="films/river/v001/deliverables/river-v001-prores422hq.mov">prores422hq</a>' in page


def _as_of_an_earlier_version(film: FilmVersion) -> None:
    """Without a description of where it comes from."""
    (film.folder / "film.provenance.json").unlink()
    record = json.loads((film.folder / "film.json").read_bytes())
    del record["files"]["film.provenance.json"]
    (film.folder / "film.json").write_text(json.dumps(record))


def test_a_deliverable_is_made_once_and_again_only_if_it_was_damaged(tmp_path: Path) -> None:
    film = render(tmp_path, "prores422hq", "png")
    files = DeliveredFiles(film.folder)
    master, sequence = files.paths()
    first, pictures = master.stat().st_mtime_ns, [file.read_bytes() for file in sorted(sequence.iterdir())]
    assert render(tmp_path, "prores422hq", "png").reused
    assert master.stat().st_mtime_ns == first
    content = master.read_bytes()
    master.write_bytes(content[:-1])
    next(sequence.glob("*.png")).unlink()
    render(tmp_path, "prores422hq", "png")
    assert master.read_bytes() == content
    assert [file.read_bytes() for file in sorted(sequence.iterdir())] == pictures


def test_another_timecode_is_another_file_beside_the_first(tmp_path: Path) -> None:
    film = render(tmp_path, "prores422hq")
    before = bytes_of(film)
    plan = planned(tmp_path, "prores422hq")
    later = replace(plan, deliverables=replace(plan.deliverables, first_timecode=0))
    produce(later, Solid(tmp_path / "diary"), Store(tmp_path / "outputs"), CPU)
    after = bytes_of(film)
    assert set(after) - set(before) == {"river-v001-prores422hq-2.mov"}
    assert before.items() <= after.items()


def deliver_until(folder: Path, stage: str, done: int) -> None:
    """Finish the film, and die when a stage has done so much."""

    def die(found: FilmStage) -> None:
        if (found.name, found.done) == (stage, done):
            os.kill(os.getpid(), signal.SIGKILL)

    with begin(planned(folder, "prores422hq", "gif"), Solid(folder / "diary"), Store(folder / "outputs")) as run:
        finish(run, {}, progress=die)


@pytest.mark.parametrize(("stage", "done"), [("deliver prores422hq", 4), ("deliver gif", 15)])
def test_a_killed_run_goes_on_with_the_next_deliverable(tmp_path: Path, stage: str, done: int) -> None:
    (tmp_path / "whole").mkdir()
    whole = render(tmp_path / "whole", "prores422hq", "gif")
    render(tmp_path)  # the take
    child = SPAWN.Process(target=deliver_until, args=(tmp_path, stage, done))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    film = render(tmp_path, "prores422hq", "gif")
    assert film.name == "v001"
    assert bytes_of(film) == bytes_of(whole)
    assert not list(film.folder.rglob(".*"))


def test_a_deliverable_that_fails_leaves_the_film_and_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FfmpegError(Problem("ffmpeg", "exited with code 1"))

    with monkeypatch.context() as patch:
        patch.setattr(deliver, "write_gif", fail)
        film = render(tmp_path, "gif", "preview")
    assert film.lacks == ("not made: deliverable gif: ffmpeg: exited with code 1",)
    assert set(bytes_of(film)) == {"river-v001-preview.mp4"}
    again = render(tmp_path, "gif", "preview")
    assert (again.name, again.lacks) == ("v001", ())
    assert set(bytes_of(again)) == {"river-v001-preview.mp4", "river-v001-gif.gif"}


def test_what_all_deliverables_are_made_of_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fail(*_: object) -> None:
        tried.append(1)
        raise FfmpegError(Problem("ffmpeg", "exited with code 1"))

    render(tmp_path, "preview")
    monkeypatch.setattr(finishing, "_finished_frames", fail)
    film = render(tmp_path, "gif", "preview", "webp")
    assert [str(error) for error in film.unmade] == [
        "deliverable gif: ffmpeg: exited with code 1",
        "deliverable webp: ffmpeg: exited with code 1",
    ]
    assert len(tried) == 1


def test_every_file_is_described(tmp_path: Path) -> None:
    film = render(tmp_path, "square")
    square = DeliveredFiles(film.folder).paths()[0]
    told = json.loads((film.folder / "film.provenance.json").read_bytes())
    actions, takes = (assertion["data"] for assertion in told["assertions"])
    assert actions["actions"][0]["action"] == "c2pa.created"
    assert actions["actions"][0]["digitalSourceType"].endswith("/composite"), "the test's backend is a preview"
    (take,) = takes["takes"]
    assert (take["shot"], take["prompt"], take["seed"]) == ("1/010", "dawn", 100)
    assert [(each["title"], each["relationship"]) for each in told["ingredients"]] == [
        ("30.png", "componentOf"),
        ("paint", "inputTo"),
    ]
    assert actions["actions"][-1]["parameters"] == {"ingredientIds": ["i1"]}, "the still is shown as it is"
    of_square = json.loads((square.parent / "river-v001-square.provenance.json").read_bytes())
    assert of_square["file"] == "river-v001-square.mp4"
    assert of_square["sha256"] != told["sha256"]
    assert of_square["assertions"][0]["data"]["actions"][-1]["action"] == "c2pa.cropped"
    assert of_square["ingredients"] == told["ingredients"]


def test_with_a_certificate_every_file_is_signed_and_keeps_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c2pa = pytest.importorskip("c2pa")
    unsigned = render(tmp_path, "poster", "png")
    before = unsigned.video.read_bytes()
    certificates, key = credentials(tmp_path)
    monkeypatch.setenv("WAN_RENDER_SIGNING_CERTIFICATE", str(certificates))
    unsigned = render(tmp_path, "poster", "png")
    assert len(unsigned.unmade) == 2, "a folder of pictures is not signed"
    assert unsigned.lacks[0].startswith(
        "not made: signature of film.mp4: WAN_RENDER_SIGNING_KEY: is not set; a PEM file; set it"
    )
    monkeypatch.setenv("WAN_RENDER_SIGNING_KEY", str(key))

    film = render(tmp_path, "poster", "png")

    assert film.reused
    assert film.video.read_bytes() == before
    poster, _ = DeliveredFiles(film.folder).paths()
    for file, kind in ((film.video, "video/mp4"), (poster, "image/png")):
        with file.open("rb") as stream:
            read = json.loads(c2pa.Reader(kind, stream, manifest_data=file.with_suffix(".c2pa").read_bytes()).json())
        assert read["validation_state"] == "Valid"
        (manifest,) = read["manifests"].values()
        assert "org.wan-render.takes" in [each["label"] for each in manifest["assertions"]]
        assert [each["title"] for each in manifest["ingredients"]] == ["30.png", "paint"]


def credentials(folder: Path) -> tuple[Path, Path]:
    """A certificate that an authority of the test's own making signed, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(kind, name) for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)])

    def certificate(name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        is_authority = key is by
        signs = [False] * 9
        signs[5 if is_authority else 0] = True  # certificates, or documents
        built = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.KeyUsage(*signs), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        )
        if not is_authority:
            built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        return built.sign(by, hashes.SHA256())

    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    form = serialization.Encoding.PEM
    chain = [certificate("signer", own, authority), certificate("authority", authority, authority)]
    (folder / "chain.pem").write_bytes(b"".join(each.public_bytes(form) for each in chain))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(own.private_bytes(form, serialization.PrivateFormat.PKCS8, plain))
    return folder / "chain.pem", folder / "key.pem"


def test_a_master_begins_at_its_timecode_and_is_named_on_the_page(tmp_path: Path) -> None:
    import av

    film = render(tmp_path, "prores422hq")
    page = film.page.read_text(encoding="utf-8")
    assert "<dd>prores422hq, 64x48</dd>" in page
    assert "deliverables/" not in page, "it is written before they are made"
    (listed,) = re.findall(r'<dd><a href="([^"]*)">those that are made</a>', page)
    assert 'deliverables/river-v001-prores422hq.mov">' in (film.folder / listed).read_text(encoding="utf-8")
    with av.open(str(DeliveredFiles(film.folder).paths()[0])) as container:
        (data,) = container.streams.data
        assert (data.metadata["timecode"], data.metadata["reel_name"]) == ("01:00:00:00", "river_v001")
        assert container.streams.video[0].average_rate == Fraction(16)
