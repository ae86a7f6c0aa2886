"""The rules on the calls that they were made with: the same targets as scripts/evaluate_redaction.py."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "evaluate_redaction.py"


@pytest.mark.parametrize("name", ["dev", "heldout"])
def test_the_targets_are_met(name: str) -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--set", name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "recall card" in done.stdout
