"""Recordings at an address: S3 as a server on this machine speaks it, and fsspec's file system in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from voicepipe.batch.remote import fetched, is_address, list_remote, place
from voicepipe.types import AudioInputError, ConfigError

SUFFIXES = frozenset({".wav", ".mp3"})

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Start an S3 server with a bucket of three recordings; return the bucket's address."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'voicepipe[s3]'")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        system = s3fs.S3FileSystem()
        system.mkdir("calls")
        for name in ("night/b.wav", "night/a.mp3", "night/notes.txt", "night/later/c.wav"):
            system.pipe_file(f"calls/{name}", name.encode())
        yield "s3://calls"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture
def memory() -> Iterator[str]:
    import fsspec

    system = fsspec.filesystem("memory")
    for name in ("night/b.wav", "night/a.mp3", "night/notes.txt", "night/later/c.wav"):
        system.pipe_file(f"/calls/{name}", name.encode())
    yield "memory://calls"
    system.store.clear()


@pytest.mark.slow
def test_s3(s3: str, tmp_path: Path) -> None:
    check(s3)


def test_memory(memory: str) -> None:
    check(memory)


def check(root: str) -> None:
    found = dict(list_remote(f"{root}/night", suffixes=SUFFIXES))
    assert [address.rpartition("night/")[2] for address in found] == ["a.mp3", "b.wav", "later/c.wav"]
    assert all(version for version in found.values())
    assert len(dict(list_remote(f"{root}/night/*.wav", suffixes=SUFFIXES))) == 1
    assert len(dict(list_remote(f"{root}/night/notes.txt", suffixes=SUFFIXES))) == 1, "named on its own, it is tried"
    for address in found:
        assert is_address(address)
        with fetched(address) as path:
            assert path.name == address.rpartition("/")[2]
            assert path.read_text() == address.rpartition("calls/")[2]
        assert not path.parent.exists()
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        list(list_remote(f"{root}/nowhere", suffixes=SUFFIXES))
    with pytest.raises(AudioInputError, match=r"gone\.wav cannot be fetched"), fetched(f"{root}/gone.wav"):
        pass


def test_what_is_an_address() -> None:
    assert is_address("s3://bucket/a.wav")
    assert not is_address("night/a.wav")
    assert not is_address("/abs/s3://x"), "a colon in a folder's name makes no address"
    assert place("s3://bucket/../a.wav") == "s3://bucket/../a.wav"
    assert Path(place("a/../b.wav")).is_absolute()


def test_an_address_of_an_unknown_kind() -> None:
    with pytest.raises(ConfigError, match=r"nonsense://x is of a kind that is not known"):
        list(list_remote("nonsense://x", suffixes=SUFFIXES))
