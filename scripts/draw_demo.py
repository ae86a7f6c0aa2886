"""Draw docs/demo.svg: the demo's own output, as a terminal shows it. Run ``python scripts/draw_demo.py``."""

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from voicepipe.config import load_settings
from voicepipe.demo import run


def main() -> int:
    """Run the demo and write the picture; fail if the demo does."""
    console = Console(record=True, width=118, file=io.StringIO(), force_terminal=True, highlight=False)
    if not run(load_settings(), fast=True, console=console):
        print("The demo did not come out as it should; no picture was written.", file=sys.stderr)
        return 1
    out = Path(__file__).resolve().parents[1] / "docs" / "demo.svg"
    out.parent.mkdir(exist_ok=True)
    picture = console.export_svg(title="voicepipe demo")
    # rich names a web font; the picture must not call another host.
    out.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
