"""How a call looks in a terminal: one line an utterance, with a stress bar."""

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from voicepipe.counting import counted
from voicepipe.events.reroute import RerouteEvent
from voicepipe.stress.levels import HIGH_STRESS, RAISED_STRESS
from voicepipe.types import CallSummary, Channel, ClosedBy, Episode, EpisodeState, Reason, ScoredUtterance

BAR_CELLS = 12
_CARD_REASONS = 2
"""Reasons shown for each utterance of an alert, the strongest first."""
_ASKED_FOR = {"human": "person", "supervisor": "supervisor", "complaint": "way to complain"}
_OVER = {
    ClosedBy.CALM: "the caller has calmed down",
    ClosedBy.CALL_END: "the call has ended",
    ClosedBy.CONSENT: "there is no consent any more",
    None: "it is over",
}
_LEVELS = ((RAISED_STRESS, "green"), (HIGH_STRESS, "yellow"), (1.01, "red"))
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


def utterance_line(scored: ScoredUtterance, *, reasons: bool = False) -> Table:
    """Compose the line of one utterance: when, who, how stressed, what; long text is folded within its own column.

    Parameters
    ----------
    scored : ScoredUtterance
    reasons : bool
        Add what moved the score most, in plain words, where the score is high.
    """
    said = Text(scored.transcript.text if scored.transcript else "")
    if not said.plain:
        said = Text("(no words)" if scored.transcript else "(not transcribed)", "dim italic")
    line = _columns()
    line.add_row(
        Text(clock(scored.start_s), "dim"),
        Text(scored.channel, _SPEAKER_STYLE[scored.channel]),
        stress_bar(scored.score.stress if scored.score else None),
        said,
    )
    for reason in _reasons(scored) if reasons else ():
        line.add_row("", "", "", Text(f"· {reason}", "dim"))
    return line


def _reasons(scored: ScoredUtterance) -> list[str]:
    """Say in plain words what stands out in an utterance: a request, frustrated words, a stressed voice."""
    found = []
    if scored.human_request is not None:
        found.append(f"asks for a {_ASKED_FOR[scored.human_request.kind]}: “{scored.human_request.quote}”")
    if scored.frustration is not None and scored.frustration.prob >= HIGH_STRESS and scored.frustration.words:
        found.append("says: " + ", ".join(f"“{words}”" for words in scored.frustration.words))
    if scored.score is not None and scored.score.stress >= HIGH_STRESS:
        found.extend(feature.text for feature in scored.score.top_features)
    return found


def episode_line(episode: Episode) -> Table:
    """Compose the line of an episode that opened or closed."""
    evidence = episode.evidence
    if episode.state is EpisodeState.CLOSED:
        heights = [
            f"{name} {value:.2f}"
            for name, value in (("mean", episode.mean), ("peak", episode.peak))
            if value is not None
        ]
        news = Text(": ".join(["episode closed", *filter(None, [", ".join(heights)])]), style="bold")
    elif Reason.HUMAN_REQUESTED in episode.reasons:
        news = Text("the caller asks for a person", style="bold red")
    else:
        peak = "" if episode.peak is None else f", peak {episode.peak:.2f}"
        news = Text(
            f"stress persists: {evidence.stressed_speech_s:.0f} s of stressed speech in "
            f"{counted(len(evidence.utterances), 'utterance')} since {clock(episode.opened_s)}{peak}",
            style="bold red",
        )
    mark = "▲" if episode.state is EpisodeState.OPENED else "▼"
    line = _columns()
    line.add_row(Text(clock(episode.at_s), "dim"), Text(mark, news.style), "", news)
    return line


def alert_card(event: RerouteEvent, *, title: str | None = None) -> Panel:
    """Lay a reroute event out: what it asks for, why, how sure, and what the next agent needs; or that it is over.

    Parameters
    ----------
    event : RerouteEvent
    title : str, optional
        Where it was read; without it, the first characters of its id.
    """
    card = Table.grid(padding=(0, 2))
    card.add_column(style="dim", no_wrap=True)
    card.add_column(overflow="fold")
    at = f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC"
    card.add_row("event", f"{event.event_type}  {event.event_id}  {at}")
    of_call = f"{event.call.call_id}  channel {event.channel}"
    card.add_row("call", of_call + (f"  queue {event.call.queue}" if event.call.queue else ""))
    if event.kind == "cleared":
        ended = "" if event.closed_s is None else f", stressed last at {clock(event.closed_s)}"
        card.add_row("over", f"no longer asks for {event.target_skill}: {_OVER[event.closed_by]}{ended}")
        return _panel(card, event, title=title, style="green")
    card.add_row("asks for", f"{event.target_skill}, urgency {event.urgency}: {', '.join(event.reasons)}")
    stress, evidence = event.stress, event.evidence
    heights = _heights(peak=stress.peak, mean=stress.mean)
    lasted = f"{stress.stressed_speech_s:.0f} s of speech since {clock(event.opened_s)}"
    card.add_row("stress", f"{heights}, {lasted}" if heights else lasted)
    streams = _heights(voice=evidence.log_e_voice, words=evidence.log_e_words)
    card.add_row(
        "evidence",
        f"log e {evidence.log_e:.1f} against {evidence.log_e_threshold:.1f}, the level of "
        f"{evidence.false_alarms_per_100_call_hours:g} false "
        f"{'alarm' if evidence.false_alarms_per_100_call_hours == 1 else 'alarms'} per 100 call-hours"
        + (f" (alone: {streams})" if streams else ""),
    )
    for utterance in evidence.utterances:
        bar = stress_bar(utterance.stress, cells=6)
        said = Text.assemble(f"{clock(utterance.start_s)}  ", bar, f"  “{utterance.quote or ''}”")
        reasons = [deviation.text for deviation in utterance.deviations[:_CARD_REASONS]]
        if utterance.words and (utterance.frustrated_prob or 0.0) >= HIGH_STRESS:
            reasons.insert(0, "says " + ", ".join(f"“{words}”" for words in utterance.words[:_CARD_REASONS]))
        if utterance.human_request is not None:
            reasons.insert(0, f"asks for a {_ASKED_FOR.get(utterance.human_request.kind, 'person')}")
        if reasons:
            said.append("\n" + "; ".join(reasons), style="dim")
        card.add_row("", said)
    told = event.handoff
    for name, texts in (
        ("wants", [told.wants] if told.wants else []),
        ("tried", told.tried or ()),
        ("promised", told.promised or ()),
        ("open", [told.open_question] if told.open_question else []),
    ):
        if texts:
            card.add_row(name, Text("\n").join(Text(f"“{text}”") for text in texts))
    turns = [Text.assemble((f"{turn.channel}: ", "bold"), turn.text) for turn in told.last_turns]
    card.add_row("handoff", Text("\n").join(turns))
    card.add_row("coverage", f"{event.coverage.ratio:.0%} of the speech was heard in full")
    versions = event.versions.model_dump(exclude_none=True)
    card.add_row("versions", "  ".join(f"{name} {version}" for name, version in versions.items()))
    return _panel(card, event, title=title, style="red")


def _panel(card: Table, event: RerouteEvent, *, title: str | None, style: str) -> Panel:
    return Panel(card, title=title or str(event.event_id)[:8], title_align="left", border_style=style)


def _heights(**values: float | None) -> str:
    """Write numbers with their names; those that are not there are left out."""
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items() if value is not None)


def _columns() -> Table:
    """Return the empty line that utterances and episodes share, so that they stand under one another."""
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(width=7, justify="right", no_wrap=True)
    line.add_column(width=6, no_wrap=True)
    line.add_column(width=BAR_CELLS + 5, no_wrap=True)
    line.add_column(overflow="fold")
    return line


def summary_line(summary: CallSummary, *, reroutes: int) -> Text:
    """Compose the last line of a call."""
    alerts = counted(reroutes, "reroute") if reroutes else "no reroute"
    return Text.assemble(
        (alerts, "bold red" if reroutes else "bold green"),
        f" · {clock(summary.duration_s)} · language {summary.language or 'unknown'} · "
        f"coverage {summary.coverage.ratio:.0%} · roles {summary.call.roles}",
    )
