"""The command line. Heavy libraries load inside the command that needs them, so that ``--help`` is quick."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from voicepipe import __version__
from voicepipe.types import VoicepipeError

if TYPE_CHECKING:
    from datetime import datetime

    from voicepipe.config import Settings
    from voicepipe.events.config import KafkaConfig

FAILED = 1

app = typer.Typer(
    name="voicepipe",
    help="Hears persistent caller stress in call-centre audio and asks for a senior agent, with its evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="Fetch, list and verify model weights.", no_args_is_help=True)
app.add_typer(models_app, name="models")
alerts_app = typer.Typer(help="Read the alerts of the topic, and judge them.", invoke_without_command=True)
app.add_typer(alerts_app, name="alerts")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="TOML file of settings; every key is described in configs/README.md.", metavar="FILE"
    ),
]


class Format(StrEnum):
    """How results are written to standard output."""

    TABLE = "table"
    JSONL = "jsonl"


class Judgement(StrEnum):
    """What a supervisor says of an alert."""

    JUSTIFIED = "justified"
    FALSE_ALARM = "false_alarm"
    UNSURE = "unsure"


class Ending(StrEnum):
    """What became of the call."""

    REROUTED = "rerouted"
    DECLINED = "declined"
    ABANDONED = "abandoned"
    RESOLVED = "resolved"


class Side(StrEnum):
    """Track of a stereo recording."""

    LEFT = "left"
    RIGHT = "right"


class Wire(StrEnum):
    """What a telephony system speaks."""

    TWILIO = "twilio"
    TELNYX = "telnyx"
    PLIVO = "plivo"
    AUDIOHOOK = "audiohook"
    AUDIOSOCKET = "audiosocket"
    L16 = "l16"


def main() -> NoReturn:
    """Run the command line; an error becomes one sentence on standard error and exit code 1, misuse exit code 2."""
    try:
        app(standalone_mode=True)
    except VoicepipeError as error:
        say(f"voicepipe: {error}")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FAILED)
    sys.exit(0)


def say(sentence: str) -> None:
    """Write one line to standard error."""
    print(sentence, file=sys.stderr, flush=True)


def _settings(path: Path | None) -> "Settings":
    from voicepipe.config import load_settings

    return load_settings(path)


def _version(value: bool) -> None:  # noqa: FBT001
    if value:
        print(f"voicepipe {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: FBT002
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


@app.command()
def score(
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders of recordings.", metavar="PATH...")],
    *,
    format_: Annotated[
        Format, typer.Option("--format", help="A table to read, or one JSON object a line to script against.")
    ] = Format.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for one CALL_ID.jsonl a recording; the terminal then gets a line a call."),
    ] = None,
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
    from voicepipe.batch import score as batch

    settings = _settings(config)
    if kafka is not None:
        settings = settings.with_kafka(kafka)
    options = batch.ScoreOptions(
        caller_channel=caller_channel.value if caller_channel else None,
        language=None if language == "auto" else language,
        out=out,
        table=format_ is Format.TABLE,
    )
    failed = batch.score_recordings(paths, settings=settings, options=options, deliver=kafka is not None, say=say)
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

    settings = _settings(config)
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
        f"{outcome.calls} of {calls} calls played, {outcome.packets} packets{lost}, "
        f"the latest {outcome.behind_s * 1000:.0f} ms behind"
    )
    for fault in outcome.faults:
        say(f"voicepipe: {fault}")
    if outcome.faults:
        raise typer.Exit(FAILED)


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

    settings = _settings(config)
    path = weights.pull(settings.whisper_model, cache_dir=settings.cache_dir / "whisper", source=source, say=say)
    print(path)


@models_app.command("list")
def models_list(*, config: ConfigOption = None) -> None:
    """List the models: which are here, their size and licence."""
    from voicepipe.doctor import model_table

    _print(model_table(_settings(config)))


@models_app.command("verify")
def models_verify(*, config: ConfigOption = None) -> None:
    """Hash every model file here and compare it with what it must be; exit code 1 if one differs."""
    from voicepipe.doctor import verify_models

    if not verify_models(_settings(config), say=lambda line: print(line)):
        raise typer.Exit(FAILED)


@app.command()
def schema(
    name: Annotated[str | None, typer.Argument(help="A topic, such as voicepipe.reroute.v1.", metavar="TOPIC")] = None,
) -> None:
    """Print the JSON Schema of a topic's events; without a name, list the topics."""
    import json

    from voicepipe.events.contract import TOPICS, topic_schema

    if name is None:
        print("\n".join(TOPICS))
    elif name in TOPICS:
        print(json.dumps(topic_schema(name), indent=2))
    else:
        raise typer.BadParameter(f"{name} is no topic of voicepipe's; it writes {', '.join(TOPICS)}.")


@app.command()
def doctor(
    *,
    kafka: Annotated[
        str | None, typer.Option("--kafka", help="Broker to try; else the one of the settings.", metavar="HOST:PORT")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Say what is installed, which weights and licences, whether the broker answers, and what mends what is missing."""
    from voicepipe.doctor import examine, report

    settings = _settings(config)
    if kafka is not None:
        settings = settings.with_kafka(kafka)
    findings = examine(settings)
    _print(report(findings))
    if any(finding.broken for finding in findings):
        raise typer.Exit(FAILED)


KafkaOption = Annotated[
    str | None, typer.Option("--kafka", help="Broker to ask; else the one of the settings.", metavar="HOST:PORT")
]


@alerts_app.callback()
def alerts(
    context: typer.Context,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes; Ctrl-C ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line: the events as they lie.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Only alerts since then: 90m, 12h, 7d, or 2026-11-21T08:00+00:00.", metavar="T"),
    ] = None,
    kafka: KafkaOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the alerts of the topic, oldest first."""
    brokers = _brokers(kafka, config)
    context.obj = brokers
    if context.invoked_subcommand is not None:
        return
    from voicepipe.events.alerts import read_alerts
    from voicepipe.events.envelope import body_of
    from voicepipe.terminal import alert_card

    shown = 0
    for alert in read_alerts(brokers, since=_instant(since), follow=follow):
        shown += 1
        if as_json:
            print(body_of(alert).decode(), flush=True)
        else:
            _print(alert_card(alert))
    if not shown and not as_json:
        print("No alerts.")


@alerts_app.command("verdict")
def alerts_verdict(
    context: typer.Context,
    event_id: Annotated[str, typer.Argument(help="Id of the alert, or its first characters.", metavar="EVENT_ID")],
    verdict: Annotated[Judgement | None, typer.Argument(help="Was it right?")] = None,
    *,
    outcome: Annotated[Ending | None, typer.Option("--outcome", help="What became of the call.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who says so; else the user of this machine.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="In free words.")] = None,
) -> None:
    """Judge an alert: the verdict goes to voicepipe.feedback.v1."""
    import getpass
    from datetime import UTC, datetime

    from voicepipe.events.alerts import find_alert, send_verdict

    alert = find_alert(context.obj, event_id)
    feedback = send_verdict(
        context.obj,
        alert,
        verdict=verdict.value if verdict else None,
        outcome=outcome.value if outcome else None,
        given_by=by or getpass.getuser(),
        given_at=datetime.now(tz=UTC),
        note=note,
    )
    said = ", ".join(word for word in (feedback.verdict, feedback.outcome) if word)
    print(f"Sent for call {alert.call.call_id}: {said}.")


def _brokers(kafka: str | None, config: Path | None) -> "KafkaConfig":
    """Return the brokers that an option or the settings name."""
    settings = _settings(config)
    if kafka is not None:
        settings = settings.with_kafka(kafka)
    if settings.kafka is None:
        raise typer.BadParameter("name a broker: --kafka HOST:PORT, or [kafka] bootstrap_servers in the settings.")
    return settings.kafka


def _instant(since: str | None) -> "datetime | None":
    """Read a span back from now (90m, 12h, 7d) or an ISO 8601 time with its zone."""
    import re
    from datetime import UTC, datetime, timedelta

    if since is None:
        return None
    if match := re.fullmatch(r"(\d{1,6})([smhd])", since):
        unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
        return datetime.now(tz=UTC) - timedelta(**{unit: int(match[1])})
    try:
        instant = datetime.fromisoformat(since)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise typer.BadParameter(f"{since} is no time; give 90m, 12h, 7d or a time like 2026-11-21T08:00+00:00.")
    return instant


@app.command()
def demo(
    *,
    fast: Annotated[bool, typer.Option("--fast", help="Play faster than real time.")] = False,
    config: ConfigOption = None,
) -> None:
    """Play two sample calls, an upset caller and a calm one, and read the reroute back from a broker."""
    from rich.console import Console

    from voicepipe.demo import run

    if not run(_settings(config), fast=fast, console=Console(highlight=False)):
        raise typer.Exit(FAILED)


def _print(renderable: object) -> None:
    from rich.console import Console

    Console().print(renderable)


if __name__ == "__main__":
    main()
