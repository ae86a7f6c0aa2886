"""The command that fits the stress model to a site's own labelled calls."""

from pathlib import Path
from typing import Annotated

import typer

from voicepipe.cli.app import ConfigOption, Side, app, read_settings, say, show, spoken


@app.command()
def calibrate(
    labels: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns path, channel (caller or mixed), start_s, end_s, label (calm or stressed), and "
            "caller where recordings share one.",
            metavar="LABELS.csv",
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", help="Folder that gets the profile's folder NAME-1, NAME-2, ...", metavar="FOLDER")
    ] = Path(),
    name: Annotated[str, typer.Option("--name", help="Name of the profile; every event will carry it.")] = "site",
    caller_channel: Annotated[
        Side | None,
        typer.Option("--caller-channel", help="Side of a stereo recording that carries the caller; left if not given."),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="ISO 639-1 code such as en, ru or zh; auto detects it once per call.")
    ] = "auto",
    config: ConfigOption = None,
) -> None:
    """Fit scores and false-alarm level to your own labelled recordings; writes a new profile, overwrites nothing."""
    from voicepipe.calibration import CalibrateOptions, report
    from voicepipe.calibration import calibrate as run

    options = CalibrateOptions(
        out=out,
        name=name,
        caller_channel=caller_channel.value if caller_channel else None,
        language=spoken(language),
    )
    calibrated = run(labels, settings=read_settings(config), options=options, say=say)
    show(report(calibrated))
    print(calibrated.setting)
