"""Commands for who runs the service: the contract of its events, and what is missing on a machine."""

from typing import Annotated

import typer

from voicepipe.cli.app import FAILED, ConfigOption, app, read_settings, show


@app.command()
def schema(
    name: Annotated[str | None, typer.Argument(help="A topic, such as voicepipe.reroute.v1.", metavar="TOPIC")] = None,
) -> None:
    """Print the JSON Schema of a topic's events; without a name, list the topics."""
    import json

    from voicepipe.events.contract import KAFKA_TOPICS, topic_schema

    if name is None:
        print("\n".join(KAFKA_TOPICS))
    elif name in KAFKA_TOPICS:
        print(json.dumps(topic_schema(name), indent=2))
    else:
        raise typer.BadParameter(f"{name} is no topic of voicepipe's; they are {', '.join(KAFKA_TOPICS)}.")


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

    settings = read_settings(config)
    if kafka is not None:
        settings = settings.with_kafka(kafka)
    findings = examine(settings)
    show(report(findings))
    if any(finding.broken for finding in findings):
        raise typer.Exit(FAILED)
