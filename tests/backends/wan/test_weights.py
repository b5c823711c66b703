"""Pulling weights from a hub: what comes, what does not, and what happens when networks, disks and hubs fail."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.backends.wan.conftest import CPU, Tiny, nobody, plates_of
from tests.backends.wan.hub_server import API, COMMIT, FakeHub, serving
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.location import pulled_folder
from wan_render.backends.wan.checkpoint.needed_files import small_files
from wan_render.backends.wan.models import official
from wan_render.backends.wan.weights import download, meter
from wan_render.backends.wan.weights.manifest import Manifest, manifest_of
from wan_render.backends.wan.weights.pull import pull
from wan_render.errors import DiskError, MachineError, UsageError, WeightsError
from wan_render.model_weights import PulledWeights, PullRequest, PullSize
from wan_render.store.file_locks import if_free
from wan_render.take import ShotKind

pytestmark = pytest.mark.wan

CARD = official.FLF2V_14B.card()
REPOSITORY = "Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers"
TRANSFORMER = "transformer/diffusion_pytorch_model-00001-of-00003.safetensors"
TEXT_ENCODER = "text_encoder/model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
UNWANTED = ("text_encoder/pytorch_model.bin", "assets/demo.json", "transformer/old.safetensors", "run.py")


class Heard:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.size: PullSize | None = None
        self.advanced = 0
        self.said: list[str] = []

    def begin(self, size: PullSize) -> None:
        self.size = size

    def advance(self, count: int) -> None:
        self.advanced += count

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="session")
def published(tiny: Callable[[str], Tiny], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny FLF2V model as its authors would publish it: in float32, in shards, with more than is needed."""
    from tests.tiny_wan import diffusers

    folder = tmp_path_factory.mktemp("hub") / "published"
    shutil.copytree(tiny("flf2v-2.1").folder, folder)
    transformer = diffusers().WanTransformer3DModel.from_pretrained(folder / "transformer")
    shutil.rmtree(folder / "transformer")
    transformer.save_pretrained(folder / "transformer", max_shard_size="60KB")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    for name in UNWANTED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"{}" * 20_000)
    return folder


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Both hubs, and a machine that knows no other. Attempts follow each other without a pause, and the files are read
    in pieces that are small beside them."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    shutil.copytree(published, folder)
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    impatient = SimpleNamespace(**{**vars(time), "sleep": lambda _seconds: None})
    for module in (download.__name__, "huggingface_hub.file_download", "huggingface_hub.utils._http"):
        monkeypatch.setattr(f"{module}.time", impatient)
    with serving(folder, REPOSITORY) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.endpoint)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", found.endpoint)
        yield found


def request(tmp_path: Path, source: str | None = None, revision: str | None = None) -> PullRequest:
    return PullRequest(CARD, tmp_path / "weights", source, revision)


def pulled(tmp_path: Path, source: str | None = None, watch: Heard | None = None) -> PulledWeights:
    return pull(request(tmp_path, source), watch or Heard())


def folder_in(tmp_path: Path) -> Path:
    return pulled_folder(CARD, tmp_path / "weights")


def manifest_in(folder: Path) -> Manifest:
    manifest = manifest_of(folder)
    assert manifest is not None
    return manifest


def bodies(hub: FakeHub) -> list[tuple[str, int]]:
    """What was read for its bytes: a header is read before, from the file's start."""
    return [(path, first) for path, first in hub.asked if path.endswith(".safetensors")]


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_pulled_model_has_what_it_needs_and_nothing_else(hub: FakeHub, tmp_path: Path, source: str) -> None:
    hub.page = 4
    watch = Heard()
    found = pulled(tmp_path, source, watch)

    assert found.is_new
    assert files_of(found.folder) == set(hub.paths()) - set(UNWANTED) | {"wan-render.json"}
    assert BACKEND.missing(CARD) is None
    manifest = json.loads((found.folder / "wan-render.json").read_text())
    assert manifest["commit"] == COMMIT
    assert (manifest["source"], manifest["repository"], manifest["address"]) == (source, REPOSITORY, hub.endpoint)
    assert manifest["revision"] == ("main" if source == "huggingface" else "master")
    assert {path for path, file in manifest["files"].items() if file["converted"]} == {
        path
        for path in manifest["files"]
        if path.startswith(("transformer/", "text_encoder/")) and path.endswith(".safetensors")
    }
    assert watch.size is not None
    assert watch.size.download_bytes == watch.advanced > watch.size.disk_bytes
    assert not list((tmp_path / "weights").glob(".*"))


def test_converted_weights_load_as_the_published_ones_bit_for_bit(hub: FakeHub, tmp_path: Path) -> None:
    import torch

    from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
    from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader

    here, there = (
        FolderLoader(read_checkpoint(folder), EXACT["cuda"]) for folder in (pulled(tmp_path).folder, hub.folder)
    )
    for component in ("transformer", "text_encoder", "vae", "image_encoder"):
        mine, published = (loader.module(component).state_dict() for loader in (here, there))
        assert list(mine) == list(published)
        for name, weight in published.items():
            assert mine[name].dtype == weight.dtype, name
            assert torch.equal(mine[name], weight), name
    size = (pulled(tmp_path).folder / TEXT_ENCODER).stat().st_size
    assert size < 0.6 * (hub.folder / TEXT_ENCODER).stat().st_size


def test_what_stays_in_float32_is_what_the_libraries_keep() -> None:
    from transformers import UMT5EncoderModel

    from tests.tiny_wan import diffusers
    from wan_render.backends.wan.checkpoint.bfloat16_file import KEPT

    kept = frozenset(diffusers().WanTransformer3DModel._keep_in_fp32_modules)
    assert KEPT["transformer"] == KEPT["transformer_2"] == kept
    assert KEPT["text_encoder"] == frozenset(UMT5EncoderModel._keep_in_fp32_modules_strict or ())


def test_weights_are_rounded_as_torch_rounds() -> None:
    import numpy as np
    import torch

    from wan_render.backends.wan.checkpoint.bfloat16_file import rounded

    random = np.random.default_rng(1).integers(0, 2**32, 500_000, dtype=np.uint32)
    ties = np.arange(2**16, dtype=np.uint32) << 16 | 0x8000  # every sign, exponent and NaN, half-way between two
    bits = np.concatenate([random, ties, ties + 1, ties - 1, ties ^ 0x8000])
    values = bits.view(np.float32)
    expected = torch.from_numpy(values.copy()).to(torch.bfloat16).view(torch.uint16).numpy()
    is_nan = np.isnan(values)
    assert (rounded(bits)[~is_nan] == expected[~is_nan]).all()
    assert np.isnan((rounded(bits)[is_nan].astype(np.uint32) << 16).view(np.float32)).all()


@pytest.mark.usefixtures("hub")
def test_a_pulled_model_renders_and_says_which_weights_it_has(tmp_path: Path, tiny: Callable[[str], Tiny]) -> None:
    pulled(tmp_path)
    renderer = BACKEND.open(CARD, CPU, nobody)
    take = replace(tiny("flf2v-2.1").take(ShotKind.FLF2V), model=CARD.identity)
    assert renderer.render(take, plates_of(take), nobody).pixels.any()
    assert renderer.facts()["weights"] == f"{COMMIT} from huggingface, bfloat16 on disk"


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_download_resumes_at_the_next_byte_after_a_lost_connection(hub: FakeHub, tmp_path: Path, source: str) -> None:
    hub.cut = {VAE: [30_000, 20_000]}
    watch = Heard()
    found = pulled(tmp_path, source, watch)

    assert [asked for asked in bodies(hub) if asked[0] == VAE] == [(VAE, 0), (VAE, 30_000), (VAE, 50_000)]
    assert (found.folder / VAE).read_bytes() == (hub.folder / VAE).read_bytes()
    assert watch.size is not None
    assert watch.advanced == watch.size.download_bytes


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_is_busy_is_asked_again(hub: FakeHub, tmp_path: Path, source: str, status: int) -> None:
    hub.fails, hub.failing = {API: [status], VAE: [status], TEXT_ENCODER: [status, status]}, {"Retry-After": "1"}
    found = pulled(tmp_path, source)
    assert (found.folder / VAE).read_bytes() == (hub.folder / VAE).read_bytes()
    assert not any(hub.fails.values())


@pytest.mark.parametrize("what", [API, VAE])
def test_a_hub_that_stays_busy_is_named(hub: FakeHub, tmp_path: Path, what: str) -> None:
    hub.fails = {what: [503] * 100}
    with pytest.raises(MachineError, match=r"Hugging Face \(.*\): answered 503 Service Unavailable.*try again later"):
        pulled(tmp_path)
    assert 80 < len(hub.fails[what]) < 100


def test_a_server_that_knows_no_ranges_is_read_from_the_start(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut, hub.deaf = {VAE: [30_000]}, True
    watch = Heard()
    found = pulled(tmp_path, watch=watch)
    assert (found.folder / VAE).read_bytes() == (hub.folder / VAE).read_bytes()
    assert watch.size is not None
    assert watch.advanced == watch.size.download_bytes


def stop_in_the_middle_of_the_vae(hub: FakeHub, tmp_path: Path) -> None:
    """After 30,000 bytes of it the hub answers no more."""
    hub.cut, hub.fails = {VAE: [30_000, *[0] * 100]}, {}
    with pytest.raises(MachineError, match="the connection was lost"):
        pulled(tmp_path)
    hub.cut = {}


def test_a_failed_pull_resumes_where_it_stopped(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "WORKERS", 1)
    stop_in_the_middle_of_the_vae(hub, tmp_path)
    assert not folder_in(tmp_path).exists()
    assert BACKEND.missing(CARD) is not None
    before = {path for path, _ in bodies(hub)}
    hub.asked = []

    watch = Heard()
    found = pulled(tmp_path, watch=watch)
    assert (VAE, 30_000) in bodies(hub)
    assert TEXT_ENCODER in before  # it came before the VAE, and is not read again
    assert TEXT_ENCODER not in {path for path, _ in bodies(hub)}
    assert (found.folder / VAE).read_bytes() == (hub.folder / VAE).read_bytes()
    assert watch.size is not None
    assert watch.advanced == watch.size.download_bytes


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
@pytest.mark.parametrize("path", [TRANSFORMER, "vae/config.json"])
def test_bytes_that_the_hub_does_not_list_are_deleted(hub: FakeHub, tmp_path: Path, source: str, path: str) -> None:
    hub.lies = {path}
    with pytest.raises(WeightsError, match=f"{path}: its bytes are not those"):
        pulled(tmp_path, source)
    assert not folder_in(tmp_path).exists()

    hub.lies = set()
    assert pulled(tmp_path, source).is_new


@pytest.mark.usefixtures("hub")
def test_too_little_disk_space_is_reported_before_the_weights_are_downloaded(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"\0" * 7_900_000)
    with pytest.raises(DiskError, match="needed") as fault:
        pull(PullRequest(CARD, small_disk), Heard())
    assert "WAN_RENDER_WEIGHTS" in fault.value.problems[0].remedy
    assert not list(small_disk.rglob("*.safetensors"))


@pytest.mark.usefixtures("hub")
def test_a_disk_that_fills_up_meanwhile_is_a_disk_error(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wan_render.backends.wan.weights import partial_model

    monkeypatch.setattr(partial_model, "free_disk_bytes", lambda _folder: 10**9)
    (small_disk / "ballast").write_bytes(b"\0" * 8_150_000)
    with pytest.raises(DiskError, match="the disk is full"):
        pull(PullRequest(CARD, small_disk), Heard())


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_an_unknown_revision_is_the_users_mistake(tmp_path: Path, source: str) -> None:
    with pytest.raises(UsageError, match="@v9: is not on"):
        pull(request(tmp_path, source, "v9"), Heard())


def test_an_unknown_source_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="allowed: huggingface, modelscope"):
        pull(request(tmp_path, "github"), Heard())


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_hub_that_cannot_be_reached_is_named_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(MachineError, match=r"http://127.0.0.1:9.*cannot be reached.*HTTPS_PROXY.*--source"):
        pull(request(tmp_path, source), Heard())


def test_pickled_weights_are_never_taken(hub: FakeHub, tmp_path: Path) -> None:
    (hub.folder / TEXT_ENCODER).unlink()
    with pytest.raises(WeightsError, match=r"text_encoder/pytorch_model.bin is; safetensors only"):
        pulled(tmp_path)


def test_a_listing_cannot_lead_out_of_the_folder() -> None:
    names = ["../vae/config.json", "vae/../../config.json", "/etc/vae/config.json", "vae/a/config.json", "config.json"]
    assert small_files(dict.fromkeys([*names, "vae/config.json", "vae/..\\x.json"], 1)) == ["vae/config.json"]


@pytest.mark.parametrize("checksum", ["../../../../../../out", "0" * 63, ""])
def test_a_checksum_cannot_lead_out_of_the_folder(hub: FakeHub, tmp_path: Path, checksum: str) -> None:
    """What is downloaded is named by its checksum meanwhile."""
    hub.checksums = {"vae/config.json": checksum}
    for source in ("huggingface", "modelscope"):
        with pytest.raises(MachineError, match=r"vae/config.json has .* bytes and the checksum"):
            pulled(tmp_path, source)
    assert not (tmp_path / "weights").exists() or not files_of(tmp_path / "weights")


def test_an_index_of_shards_cannot_lead_out_of_the_folder(hub: FakeHub, tmp_path: Path) -> None:
    index = hub.folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../../evil.safetensors"}}))
    with pytest.raises(MachineError, match="evil"):
        pulled(tmp_path)


def test_a_token_is_sent_to_the_hub_and_not_to_its_storage(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.cut = {VAE: [30_000]}
    pulled(tmp_path)
    assert hub.tokens == {"127.0.0.1": {"Bearer secret"}, "localhost": {None}}


def test_a_token_is_not_sent_to_the_host_of_the_next_page(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.page, hub.next_host = 4, hub.elsewhere
    with pytest.raises(MachineError, match="another host"):
        pulled(tmp_path)
    assert hub.tokens == {"127.0.0.1": {"Bearer secret"}}


def test_a_token_of_hugging_face_is_not_sent_to_modelscope(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    pulled(tmp_path, "modelscope")
    assert hub.tokens == {"127.0.0.1": {None}}


def test_a_gated_model_says_what_its_token_needs(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.wants = "accepted"
    with pytest.raises(MachineError, match=r"answered 401 .* is restricted.*accept the model's terms.*HF_TOKEN"):
        pulled(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "not on the list")
    with pytest.raises(MachineError, match=r"answered 403 .* is restricted.*accept the model's terms.*HF_TOKEN"):
        pulled(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "accepted")
    assert pulled(tmp_path).is_new


def test_a_repository_that_is_not_there_is_the_users_mistake(tmp_path: Path, hub: FakeHub) -> None:
    hub.repository = "Wan-AI/elsewhere"
    with pytest.raises(UsageError, match=r"@main: is not on Hugging Face: .* answered 401 .*Repository not found"):
        pulled(tmp_path)


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_file_that_is_longer_than_listed_is_not_read_to_its_end(hub: FakeHub, tmp_path: Path, source: str) -> None:
    hub.excess = {VAE: 50_000_000}
    watch = Heard()
    with pytest.raises(WeightsError, match=f"{VAE}: its bytes are not those"):
        pulled(tmp_path, source, watch)
    assert watch.size is not None
    assert watch.advanced <= watch.size.download_bytes
    hub.excess = {}
    assert pulled(tmp_path, source).is_new


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_file_that_is_shorter_than_listed_is_deleted(hub: FakeHub, tmp_path: Path, source: str) -> None:
    hub.excess = {VAE: -1000}
    with pytest.raises(WeightsError, match=f"{VAE}: its bytes are not those"):
        pulled(tmp_path, source)
    hub.excess = {}
    assert pulled(tmp_path, source).is_new


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_listing_that_does_not_end_is_not_read_to_its_end(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr("wan_render.backends.wan.weights.weights_source.MOST_JSON_BYTES", 100_000)
    hub.listing_bytes = 100_000_000
    with pytest.raises(MachineError, match=r"unexpected answer for .*@"):
        pulled(tmp_path, source)


def test_a_model_that_is_here_is_checked_and_not_downloaded(hub: FakeHub, tmp_path: Path) -> None:
    first = pulled(tmp_path)
    manifest = manifest_in(first.folder)
    hub.asked.clear()
    again = pulled(tmp_path)
    assert not again.is_new
    assert replace(again, is_new=True) == first
    assert manifest_in(again.folder) == manifest
    assert hub.asked == []


def test_a_damaged_file_alone_is_downloaded_again(hub: FakeHub, tmp_path: Path) -> None:
    folder = pulled(tmp_path).folder
    whole = (folder / VAE).read_bytes()
    (folder / VAE).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (folder / "vae" / "config.json").unlink()
    hub.asked.clear()

    assert pulled(tmp_path).is_new
    assert (folder / VAE).read_bytes() == whole
    assert {path for path, _ in hub.asked} == {VAE, "vae/config.json"}


def test_a_folder_that_is_not_ours_is_left_alone(hub: FakeHub, tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    shutil.copytree(hub.folder, folder)
    with pytest.raises(UsageError, match="was not made by this command"):
        pulled(tmp_path)
    assert files_of(folder) == set(hub.paths())


@pytest.mark.usefixtures("hub")
def test_another_source_or_revision_does_not_replace_what_is_here(tmp_path: Path) -> None:
    pulled(tmp_path)
    with pytest.raises(UsageError, match="is revision main from huggingface"):
        pulled(tmp_path, "modelscope")


def test_an_update_of_the_hub_meanwhile_keeps_what_is_still_listed(hub: FakeHub, tmp_path: Path) -> None:
    hub.lies = {VAE}
    with pytest.raises(WeightsError):
        pulled(tmp_path)
    hub.lies = set()
    config = hub.folder / "vae" / "config.json"
    config.write_text(config.read_text() + "\n")
    (hub.folder / "README.md").unlink()
    found = pulled(tmp_path)
    assert (found.folder / "vae" / "config.json").read_bytes() == config.read_bytes()
    assert "README.md" not in files_of(found.folder)
    assert "README.md" not in manifest_in(found.folder).files


def test_a_file_of_another_revision_is_not_resumed(hub: FakeHub, tmp_path: Path) -> None:
    stop_in_the_middle_of_the_vae(hub, tmp_path)
    content = bytearray((hub.folder / VAE).read_bytes())
    content[20_000] ^= 1
    (hub.folder / VAE).write_bytes(content)
    assert (pulled(tmp_path).folder / VAE).read_bytes() == content


def test_a_pull_that_an_older_version_left_is_resumed(hub: FakeHub, tmp_path: Path) -> None:
    """Its layout: finished files and their manifest in the part folder, first bytes by content below `.download`."""
    whole = pulled(tmp_path).folder
    part = tmp_path / "weights" / ".Wan2.1-FLF2V-14B-720P-diffusers.part"
    whole.rename(part)
    manifest = json.loads((part / "wan-render.json").read_text())
    vae = manifest["files"].pop(VAE)
    (part / "wan-render.json").write_text(json.dumps(manifest))
    (part / VAE).unlink()
    begun = part / ".download" / "vae" / f"diffusion_pytorch_model.safetensors.sha256-{vae['sha256']}"
    begun.parent.mkdir(parents=True)
    begun.write_bytes((hub.folder / VAE).read_bytes()[:33_333])
    hub.asked.clear()

    watch = Heard()
    found = pulled(tmp_path, watch=watch)
    assert bodies(hub) == [(VAE, 33_333)]
    assert (found.folder / VAE).read_bytes() == (hub.folder / VAE).read_bytes()
    assert watch.size is not None
    assert watch.size.missing == 1
    assert watch.advanced == watch.size.download_bytes == vae["bytes"] - 33_333


@pytest.mark.usefixtures("hub")
def test_two_pulls_of_one_model_exclude_each_other(tmp_path: Path) -> None:
    import threading

    locked, free = threading.Event(), threading.Event()

    def other() -> None:
        with if_free(tmp_path / "weights" / f".{folder_in(tmp_path).name}.lock"):
            locked.set()
            free.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert locked.wait(60)
    with pytest.raises(MachineError, match="is being pulled by another run"):
        pulled(tmp_path)
    free.set()
    thread.join()
    assert pulled(tmp_path).is_new


def test_the_hub_of_these_tests_is_one_to_hugging_faces_own_client(hub: FakeHub, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    hub.page = 5
    folder = Path(snapshot_download(REPOSITORY, endpoint=hub.endpoint, cache_dir=tmp_path / "cache"))
    assert folder.name == COMMIT
    assert files_of(folder) == set(hub.paths())
    assert (folder / VAE).read_bytes() == (hub.folder / VAE).read_bytes()


def test_every_published_model_has_a_size() -> None:
    assert all(14e9 < model.disk_bytes < 70e9 for model in official.ALL)
