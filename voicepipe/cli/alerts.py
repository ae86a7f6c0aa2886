"""Commands that read alerts off the topic and judge them."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicepipe.cli.app import ConfigOption, app, moment, read_settings, show, user

if TYPE_CHECKING:
    from voicepipe.events.config import KafkaConfig

alerts_app = typer.Typer(help="Read the alerts of the topic, and judge them.", invoke_without_command=True)
app.add_typer(alerts_app, name="alerts")


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
    if context.invoked_subcommand is not None:
        context.obj = (kafka, config)
        return
    brokers = _brokers(kafka, config)
    from voicepipe.events.alerts import read_alerts
    from voicepipe.events.envelope import body_of
    from voicepipe.terminal import alert_card

    shown = 0
    for alert in read_alerts(brokers, since=None if since is None else moment(since), follow=follow):
        shown += 1
        if as_json:
            print(body_of(alert).decode(), flush=True)
        else:
            show(alert_card(alert))
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
    kafka: KafkaOption = None,
    config: ConfigOption = None,
) -> None:
    """Judge an alert: the verdict goes to voicepipe.feedback.v1."""
    from datetime import UTC, datetime

    from voicepipe.events.alerts import find_alert, send_verdict

    before_kafka, before_config = context.obj
    brokers = _brokers(kafka or before_kafka, config or before_config)
    alert = find_alert(brokers, event_id)
    feedback = send_verdict(
        brokers,
        alert,
        verdict=verdict.value if verdict else None,
        outcome=outcome.value if outcome else None,
        given_by=by or user(),
        given_at=datetime.now(tz=UTC),
        note=note,
    )
    said = ", ".join(word for word in (feedback.verdict, feedback.outcome) if word)
    print(f"Sent for call {alert.call.call_id}: {said}.")


def _brokers(kafka: str | None, config: Path | None) -> "KafkaConfig":
    """Return the brokers that an option or the settings name."""
    settings = read_settings(config)
    if kafka is not None:
        settings = settings.with_kafka(kafka)
    if settings.kafka is None:
        raise typer.BadParameter("name a broker: --kafka HOST:PORT, or [kafka] bootstrap_servers in the settings.")
    return settings.kafka
