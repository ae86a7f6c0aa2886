"""The command line; each module defines the commands of one subject."""

import os

# Read once, when NumPy loads: its products are small, and threads of its own would fight with the workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from voicepipe.cli import alerts, calibrate, calls, models, operation, purge, report, text
from voicepipe.cli.app import app, main

__all__ = ["alerts", "app", "calibrate", "calls", "main", "models", "operation", "purge", "report", "text"]
