"""What the tables of a run cost: seconds a 1,000 calls in the worker and while the tables are built, and the memory.

No audio and no models: calls of 60 made-up utterances (tests/batch/synthetic_run.py) are written as a worker writes
them, then the tables are built from their files: ``python scripts/bench_tables.py``.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.batch.synthetic_run import synthetic_run
from tests.batch.workers import scored_rows
from voicepipe.batch.items import Item
from voicepipe.batch.results import Results
from voicepipe.batch.tables import build_tables

UTTERANCES = 60
_MADE_UP = 100


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1_000)
    calls = parser.parse_args().calls
    run = synthetic_run(_MADE_UP, lines=(UTTERANCES, UTTERANCES), filler_words=6)
    rows = [run.said_in(call["call_id"]) for call in run.calls]
    measure_s = 0.0
    with tempfile.TemporaryDirectory() as folder, Results(Path(folder), facts={}, resume=False) as results:
        for number in range(calls):
            item = Item(path=f"{number}.wav", call_id=f"{number:06}", queue=f"queue {number % 7}", agent="Anna")
            began_s = time.process_time()
            outcome = scored_rows(item, rows[number % len(rows)])
            measure_s += time.process_time() - began_s
            results.keep(item, item.call_id or "", outcome.text)
        before_mb = _peak_mb()
        began_s = time.process_time()
        build_tables(results, failures=[], with_csv=False)
        build_s = time.process_time() - began_s
    per = 1_000 / calls
    print(f"{calls:,} calls of {UTTERANCES} utterances, CPU seconds per 1,000 calls:")
    print(f"  in the worker, without hearing it  {measure_s * per:6.1f}")
    print(f"  tables, in one process             {build_s * per:6.1f}")
    print(f"  peak memory added by the tables    {_peak_mb() - before_mb:6.0f} MB")
    return 0


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
