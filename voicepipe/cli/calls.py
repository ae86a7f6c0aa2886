"""Commands that listen to calls: recordings, live ones, and samples."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from voicepipe.cli.app import FAILED, ConfigOption, Format, Side, app, read_settings, say, spoken
from voicepipe.counting import counted


class Wire(StrEnum):
    """What a telephony system speaks."""

    TWILIO = "twilio"
    TELNYX = "telnyx"
    PLIVO = "plivo"
    AUDIOHOOK = "audiohook"
    AUDIOSOCKET = "audiosocket"
    L16 = "l16"


class Engine(StrEnum):
    """What the recordings of a folder are scored on."""

    LOCAL = "local"
    RAY = "ray"


@app.command()
def score(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Recordings, folders, patterns, manifests (.csv), addresses (s3://bucket/folder).", metavar="PATH..."
        ),
    ] = None,
    *,
    format_: Annotated[
        Format, typer.Option("--format", help="A table to read, or one JSON object a line to script against.")
    ] = Format.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the tables and for calls/CALL_ID.jsonl; the terminal then gets a line a call."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Recordings at the same time; by default one a core.", min=1)
    ] = None,
    engine: Annotated[Engine, typer.Option("--engine", help="Processes of this machine, or a Ray cluster.")] = (
        Engine.LOCAL
    ),
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="Ray cluster to join; else one starts on this machine.", metavar="ADDRESS"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder of --out.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", help="Score at most this many recordings.", min=1)] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="End with the first recording that fails.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write the tables as CSV for spreadsheets, too.")] = False,
    surveys: Annotated[
        Path | None,
        typer.Option(
            "--surveys", help="CSV of survey answers (call_id, csat, ces) to fit CSI and CES on.", metavar="FILE"
        ),
    ] = None,
    csat_scale: Annotated[
        str | None, typer.Option("--csat-scale", help="Scale of csat, worst first: 1-5.", metavar="WORST-BEST")
    ] = None,
    ces_scale: Annotated[
        str | None,
        typer.Option("--ces-scale", help="Scale of ces, most effort first: 1-7.", metavar="WORST-BEST"),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the tables with all their columns and units, and exit.")
    ] = False,
    caller_channel: Annotated[
        Side | None,
        typer.Option("--caller-channel", help="Side of a stereo recording that carries the caller; left if not given."),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="ISO 639-1 code such as en, ru or zh; auto detects it once per call.")
    ] = "auto",
    kafka: Annotated[
        str | None,
        typer.Option(
            "--kafka", help="Broker that gets the reroute events; without it they are only shown.", metavar="HOST:PORT"
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Score recordings: WAV, FLAC, MP3, Ogg/Opus, M4A; 8 to 48 kHz; mono, or stereo with one side each."""
    if schema:
        from voicepipe.batch.columns import describe

        print(describe())
        return
    if not inputs:
        raise typer.BadParameter("name recordings, folders or a manifest", param_hint="PATH...")
    side: Literal["left", "right"] | None = caller_channel.value if caller_channel else None
    code = spoken(language)
    settings = read_settings(config)
    if kafka is not None:
        settings = settings.with_kafka(kafka)
    if ray_address is not None and engine is not Engine.RAY:
        raise typer.BadParameter("it needs --engine ray", param_hint="--ray-address")
    if out is None:
        given = {
            "--workers": workers,
            "--engine": engine is not Engine.LOCAL,
            "--ray-address": ray_address,
            "--resume": resume,
            "--limit": limit,
            "--fail-fast": fail_fast,
            "--csv": csv,
            "--surveys": surveys,
        }
        if astray := [name for name, value in given.items() if value]:
            raise typer.BadParameter("it needs --out OUT", param_hint=astray[0])
        from voicepipe.batch.score import ScoreOptions, score_recordings

        shown = ScoreOptions(caller_channel=side, language=code, table=format_ is Format.TABLE)
        failed = score_recordings(inputs, settings=settings, options=shown, deliver=kafka is not None, say=say)
    else:
        from voicepipe.batch.run import RunOptions, score_into
        from voicepipe.batch.surveys import Surveys

        options = RunOptions(
            out=out,
            caller_channel=side,
            language=code,
            workers=workers,
            engine=engine.value,
            ray_address=ray_address,
            resume=resume,
            limit=limit,
            fail_fast=fail_fast,
            csv=csv,
            surveys=Surveys.read(surveys, csat_scale=csat_scale, ces_scale=ces_scale) if surveys else None,
        )
        failed = score_into(inputs, settings=settings, options=options, deliver=kafka is not None, say=say)
    if failed:
        raise typer.Exit(FAILED)


@app.command()
def serve(
    *,
    kafka: Annotated[
        str | None,
        typer.Option("--kafka", help="Broker that gets the events; else the one of the settings.", metavar="HOST:PORT"),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Accept live calls: Twilio and its relatives, AudioHook, bare L16, AudioSocket; runs until SIGTERM."""
    from voicepipe.serving import serve as run

    settings = read_settings(config)
    if kafka is not None:
        settings = settings.with_kafka(kafka)
    if not run(settings, say=say):
        raise typer.Exit(FAILED)


@app.command()
def replay(
    path: Annotated[Path, typer.Argument(help="A recording.", metavar="FILE")],
    *,
    to: Annotated[
        str,
        typer.Option("--to", help="ws://HOST:PORT or wss://HOST:PORT; tcp://HOST:PORT for audiosocket.", metavar="URL"),
    ],
    protocol: Annotated[Wire, typer.Option("--protocol", help="What the telephony system would speak.")],
    calls: Annotated[int, typer.Option("--calls", help="How many calls at the same time.", min=1)] = 1,
    speed: Annotated[float, typer.Option("--speed", help="1 is real time, 0 as fast as it goes.", min=0.0)] = 1.0,
    jitter_ms: Annotated[float, typer.Option("--jitter-ms", help="Packets come up to this much late.", min=0.0)] = 0.0,
    loss_pct: Annotated[
        float, typer.Option("--loss-pct", help="Share of packets that are lost.", min=0.0, max=100.0)
    ] = 0.0,
    caller_channel: Annotated[
        Side | None,
        typer.Option("--caller-channel", help="Side of a stereo recording that carries the caller; left if not given."),
    ] = None,
    token: Annotated[str | None, typer.Option("--token", help="Token of the ingest client.")] = None,
    register: Annotated[
        str | None,
        typer.Option(
            "--register", help="Where audiosocket calls are registered, http://HOST:PORT of the server.", metavar="URL"
        ),
    ] = None,
    call_id: Annotated[
        str | None, typer.Option("--call-id", help="Id of the call; by default the file's with the present time.")
    ] = None,
) -> None:
    """Play a recording as live calls into a running server: for trying out, for tests and for load."""
    from voicepipe.replay import ReplayOptions
    from voicepipe.replay import replay as run

    options = ReplayOptions(
        to=to,
        protocol=protocol.value,
        calls=calls,
        speed=speed,
        jitter_ms=jitter_ms,
        loss_pct=loss_pct,
        caller_channel=caller_channel.value if caller_channel else None,
        token=token,
        register=register,
        call_id=call_id,
    )
    outcome = run(path, options)
    lost = f", {outcome.lost} lost on purpose" if outcome.lost else ""
    print(
        f"{outcome.calls} of {counted(calls, 'call')} played, {counted(outcome.packets, 'packet')}{lost}, "
        f"the latest {outcome.behind_s * 1000:.0f} ms behind"
    )
    for fault in outcome.faults:
        say(f"voicepipe: {fault}")
    if outcome.faults:
        raise typer.Exit(FAILED)


@app.command()
def demo(
    *,
    fast: Annotated[bool, typer.Option("--fast", help="Play faster than real time.")] = False,
    config: ConfigOption = None,
) -> None:
    """Play two sample calls, an upset caller and a calm one, and read the reroute back from a broker."""
    from rich.console import Console

    from voicepipe.demo import run

    if not run(read_settings(config), fast=fast, console=Console(highlight=False)):
        raise typer.Exit(FAILED)
