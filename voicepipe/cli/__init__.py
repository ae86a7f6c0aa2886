"""The command line; each module defines the commands of one subject."""

from voicepipe.cli import alerts, calibrate, calls, models, operation, purge, report, text
from voicepipe.cli.app import app, main

__all__ = ["alerts", "app", "calibrate", "calls", "main", "models", "operation", "purge", "report", "text"]
