"""How a call looks in a terminal: one line an utterance, with a stress bar."""

from rich.text import Text

from voicepipe.types import CallSummary, Channel, Episode, EpisodeState, ScoredUtterance

BAR_CELLS = 12
HIGH_STRESS = 0.65
"""From here a score is drawn as high and explained; what raises an alert is the episode, never one score."""
_LEVELS = ((0.35, "green"), (HIGH_STRESS, "yellow"), (1.01, "red"))
_SPEAKER_STYLE = {Channel.CALLER: "bold cyan", Channel.AGENT: "blue", Channel.MIXED: "bold cyan"}


def clock(offset_s: float) -> str:
    """Write an offset in a call as minutes and seconds, ``1:07``; past an hour ``1:02:07``."""
    minutes, seconds = divmod(int(offset_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def stress_bar(stress: float | None, *, cells: int = BAR_CELLS) -> Text:
    """Draw a stress probability as a bar with its number; blank where nothing is scored (the agent, always)."""
    if stress is None:
        return Text(" " * (cells + 5))
    style = next(colour for limit, colour in _LEVELS if stress < limit)
    filled = round(stress * cells)
    return Text.assemble(("█" * filled, style), ("░" * (cells - filled), "dim"), (f" {stress:4.2f}", style))


def utterance_line(scored: ScoredUtterance) -> Text:
    """Compose the line of one utterance: when, who, how stressed, what."""
    said = scored.transcript.text if scored.transcript else ""
    line = Text.assemble(
        (f"{clock(scored.start_s):>7}  ", "dim"),
        (f"{scored.channel:<6}  ", _SPEAKER_STYLE[scored.channel]),
        stress_bar(scored.score.stress if scored.score else None),
        "  ",
    )
    if said:
        line.append(said)
    else:
        line.append("(no words)" if scored.transcript else "(not transcribed)", "dim italic")
    return line


def evidence_line(scored: ScoredUtterance) -> Text | None:
    """Say in plain words what moved the score most; None where there is nothing to say."""
    if scored.score is None or not scored.score.top_features:
        return None
    return Text(" " * 17 + "└ " + "; ".join(feature.text for feature in scored.score.top_features), style="dim")


def episode_line(episode: Episode) -> Text:
    """Compose the line of an episode that opened or closed."""
    evidence = episode.evidence
    if episode.state is EpisodeState.OPENED:
        return Text(
            f"{clock(episode.at_s):>7}  ▲ stress persists: {evidence.stressed_speech_s:.0f} s of stressed speech since "
            f"{clock(episode.opened_s)} in {len(evidence.utterances)} utterances, peak {episode.peak:.2f}",
            style="bold red",
        )
    return Text(
        f"{clock(episode.at_s):>7}  ▼ episode closed: mean {episode.mean:.2f}, peak {episode.peak:.2f}", style="bold"
    )


def summary_line(summary: CallSummary, *, reroutes: int) -> Text:
    """Compose the last line of a call."""
    alerts = "no reroute" if reroutes == 0 else "1 reroute" if reroutes == 1 else f"{reroutes} reroutes"
    return Text.assemble(
        (alerts, "bold red" if reroutes else "bold green"),
        f" · {clock(summary.duration_s)} · language {summary.language or 'unknown'} · "
        f"coverage {summary.coverage.ratio:.0%} · roles {summary.call.roles}",
    )
