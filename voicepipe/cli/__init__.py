"""The command line; each module defines the commands of one subject."""

from voicepipe.cli import alerts, calls, models, operation
from voicepipe.cli.app import app, main

__all__ = ["alerts", "app", "calls", "main", "models", "operation"]
