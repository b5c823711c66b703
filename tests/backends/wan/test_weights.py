"""Pulling weights from a hub: what comes, what does not, and what happens when networks, disks and hubs fail."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backends.wan.conftest import CPU, Tiny, nobody, plates_of
from tests.backends.wan.hub_server import COMMIT, FakeHub, serving
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.models import official
from wan_render.backends.wan.weights import download, workers
from wan_render.backends.wan.weights.hub import RemoteFile
from wan_render.backends.wan.weights.location import pulled_folder
from wan_render.backends.wan.weights.pull import Order, Pulled, pull
from wan_render.backends.wan.weights.selection import small_files
from wan_render.errors import DiskError, MachineError, UsageError, WeightsError
from wan_render.model_card import ModelCard
from wan_render.model_family import PullSize
from wan_render.store.take_locks import if_free
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
    """Both hubs, and a machine that knows no other; attempts follow each other without a pause."""
    folder = tmp_path / "hub"
    shutil.copytree(published, folder)
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0.0, 0.0))
    with serving(folder, REPOSITORY) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.endpoint)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", found.endpoint)
        yield found


def order(tmp_path: Path, source: str | None = None, revision: str | None = None) -> Order:
    return Order(CARD, pulled_folder(CARD, tmp_path / "weights"), source, revision)


def pulled(tmp_path: Path, source: str | None = None, watch: Heard | None = None) -> Pulled:
    return pull(order(tmp_path, source), watch or Heard())


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
    from wan_render.backends.wan.weights.bfloat16 import KEPT

    kept = frozenset(diffusers().WanTransformer3DModel._keep_in_fp32_modules)
    assert KEPT["transformer"] == KEPT["transformer_2"] == kept
    assert KEPT["text_encoder"] == frozenset(UMT5EncoderModel._keep_in_fp32_modules_strict or ())


def test_weights_are_rounded_as_torch_rounds() -> None:
    import numpy as np
    import torch

    from wan_render.backends.wan.weights.bfloat16 import rounded

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
def test_a_lost_connection_goes_on_at_the_next_byte(hub: FakeHub, tmp_path: Path, source: str) -> None:
    whole = (hub.folder / VAE).stat().st_size
    hub.cut = {VAE: [30_000, 20_000]}
    watch = Heard()
    found = pulled(tmp_path, source, watch)

    assert [asked for asked in bodies(hub) if asked[0] == VAE] == [(VAE, 0), (VAE, 30_000), (VAE, 50_000)]
    assert (found.folder / VAE).read_bytes() == (hub.folder / VAE).read_bytes()
    assert any("ended" in text or "lost" in text for text in watch.said)
    assert whole > 50_000


def test_a_server_that_knows_no_ranges_is_read_from_the_start(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut, hub.deaf = {VAE: [30_000]}, True
    watch = Heard()
    found = pulled(tmp_path, watch=watch)
    assert (found.folder / VAE).read_bytes() == (hub.folder / VAE).read_bytes()
    assert watch.size is not None
    assert watch.advanced == watch.size.download_bytes


def test_a_pull_that_failed_goes_on_where_it_stopped(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORKERS", 1)
    hub.cut = {VAE: [30_000, 0, 0, 0, 0]}
    with pytest.raises(MachineError, match="ended vae/"):
        pulled(tmp_path)
    assert not order(tmp_path).folder.exists()
    assert BACKEND.missing(CARD) is not None
    before = {path for path, _ in bodies(hub)}
    hub.cut, hub.asked = {}, []

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
def test_bytes_that_are_not_the_hubs_are_thrown_away(hub: FakeHub, tmp_path: Path, source: str, path: str) -> None:
    hub.lies = {path}
    with pytest.raises(WeightsError, match=f"{path}: its bytes are not those"):
        pulled(tmp_path, source)
    assert not order(tmp_path).folder.exists()

    hub.lies = set()
    assert pulled(tmp_path, source).is_new


@pytest.mark.usefixtures("hub")
def test_a_disk_that_is_too_small_is_said_before_anything_heavy_comes(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"\0" * 7_900_000)
    with pytest.raises(DiskError, match="needed") as fault:
        pull(Order(CARD, small_disk / "model"), Heard())
    assert "WAN_RENDER_WEIGHTS" in fault.value.problems[0].remedy
    assert not list(small_disk.rglob("*.safetensors"))


@pytest.mark.usefixtures("hub")
def test_a_disk_that_fills_up_meanwhile_is_a_disk_error(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wan_render.backends.wan.weights import part

    monkeypatch.setattr(part, "free_disk_bytes", lambda _folder: 10**9)
    (small_disk / "ballast").write_bytes(b"\0" * 8_150_000)
    with pytest.raises(DiskError, match="the disk is full"):
        pull(Order(CARD, small_disk / "model"), Heard())


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_an_unknown_revision_is_the_users_mistake(tmp_path: Path, source: str) -> None:
    with pytest.raises(UsageError, match="@v9: is not on"):
        pull(order(tmp_path, source, "v9"), Heard())


def test_an_unknown_source_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="allowed: huggingface, modelscope"):
        pull(order(tmp_path, "github"), Heard())


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_hub_that_cannot_be_reached_is_named_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(MachineError, match=r"http://127.0.0.1:9.*cannot be reached.*HTTPS_PROXY.*--source"):
        pull(order(tmp_path, source), Heard())


def test_pickled_weights_are_never_taken(hub: FakeHub, tmp_path: Path) -> None:
    (hub.folder / TEXT_ENCODER).unlink()
    with pytest.raises(WeightsError, match=r"text_encoder/pytorch_model.bin is; safetensors only"):
        pulled(tmp_path)


def test_a_listing_cannot_lead_out_of_the_folder() -> None:
    names = ["../vae/config.json", "vae/../../config.json", "/etc/vae/config.json", "vae/a/config.json", "config.json"]
    listed = tuple(RemoteFile(name, 1, "sha256:0", "") for name in [*names, "vae/config.json", "vae/..\\x.json"])
    assert [file.path for file in small_files(listed)] == ["vae/config.json"]


def test_an_index_of_shards_cannot_lead_out_of_the_folder(hub: FakeHub, tmp_path: Path) -> None:
    index = hub.folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../../evil.safetensors"}}))
    with pytest.raises(MachineError, match="evil"):
        pulled(tmp_path)


def test_a_token_is_sent_to_the_hub_and_not_to_its_storage(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    pulled(tmp_path)
    assert set(hub.tokens) == {None}
    assert hub.tokens_of_api == {"Bearer secret"}


def test_a_model_that_is_here_is_checked_and_not_downloaded(hub: FakeHub, tmp_path: Path) -> None:
    first = pulled(tmp_path)
    hub.asked.clear()
    again = pulled(tmp_path)
    assert not again.is_new
    assert again.manifest == first.manifest
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
    folder = order(tmp_path).folder
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
    assert "README.md" not in found.manifest.files


def test_the_first_bytes_of_another_revisions_file_are_not_gone_on_with(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut = {VAE: [30_000, 0, 0, 0, 0]}
    with pytest.raises(MachineError, match="ended vae/"):
        pulled(tmp_path)
    hub.cut = {}
    content = bytearray((hub.folder / VAE).read_bytes())
    content[20_000] ^= 1
    (hub.folder / VAE).write_bytes(content)
    assert (pulled(tmp_path).folder / VAE).read_bytes() == content


@pytest.mark.usefixtures("hub")
def test_two_pulls_of_one_model_do_not_meet(tmp_path: Path) -> None:
    import threading

    locked, free = threading.Event(), threading.Event()

    def other() -> None:
        with if_free(tmp_path / "weights" / f".{order(tmp_path).folder.name}.lock"):
            locked.set()
            free.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    assert locked.wait(30)
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
    from wan_render.backends.wan.weights.sizes import pulled_bytes

    cards: list[ModelCard] = [model.card() for model in official.ALL]
    assert all(14e9 < pulled_bytes(card.name) < 70e9 for card in cards)
