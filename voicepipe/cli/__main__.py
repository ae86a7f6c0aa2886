"""``python -m voicepipe.cli`` is ``voicepipe``."""

from voicepipe.cli import main

main()
