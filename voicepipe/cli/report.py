"""The command that writes what a run found as a page to read, and what two runs differ in."""

from pathlib import Path
from typing import Annotated

import typer

from voicepipe.cli.app import app, say


@app.command()
def report(
    outs: Annotated[
        list[Path],
        typer.Argument(help="Folder of a run of voicepipe score; with --compare two of them.", metavar="OUT"),
    ],
    *,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare two runs over the same recordings: what flipped.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("--out", help="The page; by default OUT/report.html, or OUT_B/compare.html.", metavar="FILE"),
    ] = None,
    audio_root: Annotated[
        Path | None,
        typer.Option("--audio-root", help="Folder in which the recordings lie now, if they moved.", metavar="DIR"),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write a run's report: one HTML file that needs no network and plays the recordings from where they lie."""
    from voicepipe.batch.report.write import write_comparison, write_report

    if len(outs) != (2 if compare else 1):
        raise typer.BadParameter("--compare takes two folders, OUT_A and OUT_B; without it there is one OUT.")
    if compare and audio_root is not None:
        raise typer.BadParameter("--audio-root belongs to a report; a comparison plays nothing.")
    if compare:
        page = write_comparison(outs[0], outs[1], file=file)
    else:
        page = write_report(outs[0], file=file, audio_root=audio_root)
    say(f"{page} ({page.stat().st_size / 1e6:.1f} MB)")
    if open_page:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
