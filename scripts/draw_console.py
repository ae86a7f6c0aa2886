"""Draw docs/console.png: a live call in the console. Run ``python scripts/draw_console.py``.

The calls are voicepipe's own samples, played in real time to a real `voicepipe serve`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.browser import find_browser, launched

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "voicepipe" / "samples"
LARGEST_BYTES = 300_000
READY_S = 120.0
PLAYED_S = 70.0
"""By then the upset caller's alert is up, and the call goes on."""
VOICEPIPE = [sys.executable, "-m", "voicepipe.cli"]


@contextlib.contextmanager
def served(folder: Path, port: int) -> Iterator[None]:
    """Run a service in a folder for the length of the block, ready to take calls."""
    config = folder / "console.toml"
    config.write_text(f'store_url = "sqlite:///{folder}/store.sqlite"\n[serve]\nport = {port}\ndrain_s = 0\n')
    environment = os.environ | {"VOICEPIPE_SERVE__AUDIOSOCKET_PORT": "0"}
    with subprocess.Popen([*VOICEPIPE, "serve", "--config", str(config)], env=environment) as process:
        try:
            deadline = time.monotonic() + READY_S
            while not is_ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("The service did not become ready.")
                time.sleep(0.5)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def is_ready(port: int) -> bool:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
        return True
    return False


def main() -> int:
    """Play the samples, open the call out of its alert, take its picture."""
    path = find_browser()
    if path is None:
        print("This needs Chromium (Debian: apt-get install chromium).", file=sys.stderr)
        return 1
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name, served(Path(name), port):
        to = ("--to", f"ws://127.0.0.1:{port}", "--protocol", "l16")
        players = [
            subprocess.Popen(
                [*VOICEPIPE, "replay", str(SAMPLES / f"{sample}_caller.wav"), "--caller-channel", "left", *to]
            )
            for sample in ("upset", "calm")
        ]
        time.sleep(PLAYED_S)
        with launched(path) as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 1000}, locale="en-GB")
            page.goto(f"http://127.0.0.1:{port}/console/alerts")
            page.get_by_role("link", name="Open the call").click()
            page.wait_for_selector("canvas")
            page.wait_for_timeout(2000)
            page.screenshot(path=ROOT / "docs" / "console.png")
        for player in players:
            player.wait()
    size = (ROOT / "docs" / "console.png").stat().st_size
    print(f"docs/console.png: {size} bytes")
    return 0 if size <= LARGEST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
