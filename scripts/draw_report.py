"""Draw docs/report.png: the report of the two sample calls, one of them open. Run ``python scripts/draw_report.py``.

The calls are voicepipe's own samples, really scored; the names in the manifest are made up.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.browser import find_browser, launched, open_tab
from voicepipe.batch.report.write import write_report

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = """\
path,call_id,agent,queue,caller_channel,started_at
upset_caller.wav,sample-upset,Agent Example,Billing,left,2026-11-20T09:12:00+00:00
calm_caller.wav,sample-calm,Agent Sample,Deliveries,left,2026-11-20T10:40:00+00:00
"""
LARGEST_BYTES = 300_000


def main() -> int:
    """Score the samples, write the report, open the upset caller's call, and take its picture."""
    browser = find_browser()
    if browser is None:
        print("This needs Chromium (Debian: apt-get install chromium).", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for sample in (ROOT / "voicepipe" / "samples").glob("*.wav"):
            shutil.copy(sample, folder)
        (folder / "manifest.csv").write_text(MANIFEST, encoding="utf-8")
        out = folder / "samples"
        command = [sys.executable, "-m", "voicepipe.cli", "score", "manifest.csv", "--out", out.name, "--workers", "1"]
        subprocess.run(command, cwd=folder, check=True)
        report = write_report(out, audio_root=folder)
        picture = ROOT / "docs" / "report.png"
        with launched(browser) as started, open_tab(started, viewport={"width": 1280, "height": 900}) as tab:
            page = tab.open(report, "#view=calls&call=sample-upset")
            page.wait_for_function("() => document.querySelector('audio')?.readyState >= 1")
            page.locator(".said button").nth(6).click()
            page.wait_for_selector(".said button[aria-current]")
            page.click("button.play")
            page.mouse.move(0, 0)
            page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
            page.screenshot(path=picture)
            tab.check()
    if picture.stat().st_size > LARGEST_BYTES:
        print(f"{picture} is larger than {LARGEST_BYTES} bytes.", file=sys.stderr)
        return 1
    print(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
