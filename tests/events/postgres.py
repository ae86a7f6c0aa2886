"""A real PostgreSQL on the loopback interface, for tests, from the machine's own programs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import until
from tests.ports import unused_port

_USER = "postgres"


def find_program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs; Debian keeps them off the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server for the length of the block; yields ``postgresql://postgres@127.0.0.1:port``."""
    initdb, postgres = find_program("initdb"), find_program("postgres")
    assert initdb is not None
    assert postgres is not None
    folder = Path(tempfile.mkdtemp(prefix="voicepipe-postgres-"))
    # PostgreSQL refuses to run as root.
    as_user = {"user": _USER, "group": _USER, "extra_groups": []} if os.getuid() == 0 else {}
    if as_user:
        shutil.chown(folder, _USER, _USER)
    port = unused_port()
    try:
        subprocess.run(
            [initdb, "-D", folder / "data", "-U", _USER, "-A", "trust", "--no-sync", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd=folder,
            **as_user,
        )
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-c", "shared_buffers=32MB"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [postgres, "-D", folder / "data", *options], stdout=log, stderr=log, cwd=folder, **as_user
            )
        try:
            ready = find_program("pg_isready")
            assert ready is not None
            ask = [ready, "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
            assert until(lambda: subprocess.run(ask, check=False).returncode == 0), (folder / "log").read_text()
            yield f"postgresql://{_USER}@127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
