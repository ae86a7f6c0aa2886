"""Commands that fetch, list and verify model weights."""

from pathlib import Path
from typing import Annotated

import typer

from voicepipe.cli.app import FAILED, ConfigOption, app, read_settings, say, show

models_app = typer.Typer(help="Fetch, list and verify model weights.", no_args_is_help=True)
app.add_typer(models_app, name="models")


@models_app.command("pull")
def models_pull(
    *,
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder that already holds the files, for closed networks.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Fetch the Whisper weights that the settings name and verify their hashes."""
    from voicepipe.speech import weights

    settings = read_settings(config)
    path = weights.pull(settings.whisper_model, cache_dir=settings.cache_dir / "whisper", source=source, say=say)
    print(path)


@models_app.command("list")
def models_list(*, config: ConfigOption = None) -> None:
    """List the models: which are here, their size and licence."""
    from voicepipe.doctor import model_table

    show(model_table(read_settings(config)))


@models_app.command("verify")
def models_verify(*, config: ConfigOption = None) -> None:
    """Hash every model file here and compare it with what it must be; exit code 1 if one differs."""
    from voicepipe.doctor import verify_models

    if not verify_models(read_settings(config), say=lambda line: print(line)):
        raise typer.Exit(FAILED)
