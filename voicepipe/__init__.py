"""voicepipe hears when a caller needs a better human, now."""

__version__ = "0.1.0"
