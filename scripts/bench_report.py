"""Measures the report: seconds to write it, its size, and seconds until Chromium shows it.

Runs are made up (tests/batch/synthetic_run.py) with 43 lines a call on average and filler words, so that the text is as
hard to compress as speech. Targets: 1,000 calls written in less than 10 s; 5,000 calls open in less than 3 s.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.batch.synthetic_run import synthetic_run
from tests.browser import find_browser, launched, open_tab
from voicepipe.batch.report.write import write_report

_WRITE_TARGET_S = 10.0
_WRITE_CALLS = 1_000
_OPEN_TARGET_S = 3.0


def measure(calls: int, *, folder: Path, browser: str | None) -> tuple[float, float, float | None]:
    """Return seconds to write, size in MB, and seconds to open (None without a browser)."""
    out = synthetic_run(calls, filler_words=6).write(folder / str(calls))
    began_s = time.perf_counter()
    page = write_report(out)
    written_s = time.perf_counter() - began_s
    return written_s, page.stat().st_size / 1e6, open_page(page, browser) if browser else None


def open_page(page: Path, browser: str) -> float:
    """Return seconds from the start of the navigation to the first frame after the overview was drawn."""
    with launched(browser) as started, open_tab(started) as tab:
        opened = tab.open(page)
        opened.wait_for_function("() => performance.getEntriesByName('voicepipe-ready').length")
        return float(opened.evaluate("() => performance.getEntriesByName('voicepipe-ready')[0].startTime")) / 1000


def main() -> int:
    """Measure and print; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, nargs="+", default=[1_000, 5_000])
    calls = parser.parse_args().calls
    browser = find_browser()
    missed = False
    print("   calls  written in s   size in MB   open in s")
    with tempfile.TemporaryDirectory() as folder:
        for number in calls:
            written_s, size, open_s = measure(number, folder=Path(folder), browser=browser)
            print(
                f"{number:8,d}  {written_s:12.1f}  {size:11.1f}  {open_s if open_s is None else round(open_s, 2)!s:>10}"
            )
            missed |= number <= _WRITE_CALLS and written_s >= _WRITE_TARGET_S
            missed |= open_s is not None and open_s >= _OPEN_TARGET_S
    if browser is None:
        print("No Chromium was found, so nothing was opened (Debian: apt-get install chromium).")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
