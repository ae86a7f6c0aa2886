"""The tables of a run, column by column: the one declaration behind schema, files, documentation and ``--schema``.

Every table but `errors` holds what was heard; nothing acoustic of the agent is in any of them. An empty field (null)
means "not known" or "not measurable", never 0.
"""

from dataclasses import dataclass
from enum import StrEnum

OWN_PREFIX = "own_"
"""Before the name of each column that a manifest brings along, in the table of calls; all of them are text."""


class Kind(StrEnum):
    """Type of a column, by its name in DuckDB."""

    TEXT = "VARCHAR"
    NUMBER = "DOUBLE"
    COUNT = "INTEGER"
    FLAG = "BOOLEAN"
    TIME = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
    kind : Kind
    text : str
        What it says, in one line.
    unit : str
        ``s``, ``0..1``, ``per min``, ...; empty where there is none.
    """

    name: str
    kind: Kind
    text: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: a row is `row`."""

    name: str
    row: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns in their order."""
        return tuple(column.name for column in self.columns)


def _text(name: str, text: str) -> Column:
    return Column(name, Kind.TEXT, text)


def _count(name: str, text: str) -> Column:
    return Column(name, Kind.COUNT, text, "count")


def _seconds(name: str, text: str) -> Column:
    return Column(name, Kind.NUMBER, text, "s")


def _share(name: str, text: str) -> Column:
    return Column(name, Kind.NUMBER, text, "0..1")


def _score(name: str, text: str) -> Column:
    return Column(name, Kind.NUMBER, text, "0..100")


def _flag(name: str, text: str) -> Column:
    return Column(name, Kind.FLAG, text)


_CALL_ID = _text("call_id", "Identity: from the manifest, else the file's stem and 8 digits of its SHA-256.")
_AGENT = _text("agent", "Agent of the call, as the manifest names him or her.")
_QUEUE = _text("queue", "Queue or skill of the call, as the manifest names it.")
_CHANNEL = _text("channel", "caller, agent, or mixed where one track carries both.")
_QUOTES = 'JSON, [{"channel", "index", "start_s", "text"}]'
_PATH = _text("path", "Recording: its path as it was given, or its address.")

CALLS = Table(
    "calls",
    "one call",
    (
        _CALL_ID,
        _PATH,
        Column("started_at", Kind.TIME, "Time of the first sample: from the manifest, else the file's.", "UTC"),
        _AGENT,
        _QUEUE,
        _text("language", "ISO 639-1 code, detected or given; empty where nothing was said."),
        _text("roles", "How sure it is who is who: given, assumed (left is the caller), unknown (one mixed track)."),
        _text("channels", "Whose voice the tracks carry, in their order, with commas."),
        _text("consent", "The record of consent, as the manifest gives it."),
        _text(
            "consent_basis", "What that amounts to: explicit, notice, contract, ..., none: then only what it allows."
        ),
        _seconds("duration_s", "Length of the longest track."),
        _seconds("speech_s", "Speech of all tracks."),
        _share("coverage", "Share of the speech whose analysis was complete."),
        _text("error", "What is wrong with the recording, where only a part of it could be read."),
        # How the caller sounded.
        _count("caller_utterances", "Utterances of the caller (or of the mixed track)."),
        _count("agent_utterances", "Utterances of the agent."),
        _share("stress_mean", "Stress of the caller's voice, mean over utterances, weighted by their speech."),
        _share("stress_peak", "Highest stress of one utterance."),
        _seconds("stress_peak_s", "Where in the call it was."),
        _share("stress_start", "Mean stress in the first third of the caller's speech."),
        _share("stress_middle", "Mean stress in the second third of the caller's speech."),
        _share("stress_end", "Mean stress in the last third of the caller's speech."),
        Column("stress_shift", Kind.NUMBER, "stress_end minus stress_start: below 0 the caller calmed down.", "-1..1"),
        Column("stress_slope", Kind.NUMBER, "Slope of stress over the call.", "per min"),
        _text("stress_direction", "rising, falling or steady."),
        Column("stress_after_agent", Kind.NUMBER, "Mean change of stress across the agent's turns.", "-1..1"),
        Column("stress_after_agent_low", Kind.NUMBER, "Lower end of its interval.", "-1..1"),
        Column("stress_after_agent_high", Kind.NUMBER, "Upper end of its interval.", "-1..1"),
        Column("calmed_after_stress", Kind.NUMBER, "The same change where the caller was stressed before.", "-1..1"),
        # Alerts.
        _flag("alert", "Stress persisted, or a person was asked for: a live call would have been rerouted."),
        _count("episodes", "Episodes that opened."),
        _seconds("episode_s", "Length of all episodes."),
        _seconds("first_alert_s", "Offset at which the first episode was decided."),
        _seconds("first_opened_s", "Offset at which the first episode began."),
        _share("episode_peak", "Highest stress within an episode."),
        _text("reasons", "Why: stress_persisted, human_requested; with commas."),
        _text("urgency", "Highest urgency of the reroutes: normal or high."),
        # Words.
        _count(
            "human_requests",
            "How often the caller asked for a person, a supervisor or a way to complain; empty without rules for it.",
        ),
        _seconds("first_human_request_s", "Offset of the first such request."),
        _text("human_request_quote", "Its words, redacted."),
        _share("frustration_mean", "Frustration of the caller's words, mean over utterances with text."),
        _share("frustration_peak", "Highest frustration of one utterance's words."),
        _count("redactions", "Stretches of text that were replaced by marks."),
        # Turn-taking.
        _seconds("caller_talk_s", "Speech of the caller."),
        _seconds("agent_talk_s", "Speech of the agent."),
        _share("agent_talk_ratio", "The agent's share of all talk."),
        _count("caller_turns", "Turns of the caller."),
        _count("agent_turns", "Turns of the agent."),
        _seconds("overlap_s", "Time in which both spoke."),
        _count("caller_interruptions", "How often the caller interrupted the agent."),
        _count("agent_interruptions", "How often the agent interrupted the caller."),
        _count("silences", "Silences of more than 3 s."),
        _seconds("silence_s", "Their sum."),
        _seconds("longest_silence_s", "The longest of them."),
        _seconds("caller_silence_s", "Silences in which the caller was expected to speak."),
        _seconds("agent_silence_s", "Silences in which the agent was expected to speak, holds included."),
        _seconds("hold_s", "Silences after the agent had asked to wait."),
        _seconds(
            "caller_latency_median_s", "Median from the agent's last word to the caller's first; below 0: overlap."
        ),
        _seconds(
            "agent_latency_median_s", "Median from the caller's last word to the agent's first; below 0: overlap."
        ),
        _seconds("agent_latency_p90_s", "The same, 90th percentile."),
        _count("caller_monologues", "Stretches of 30 s or more of the caller alone."),
        _count("agent_monologues", "Stretches of 30 s or more of the agent alone."),
        _seconds("agent_longest_turn_s", "Longest turn of the agent."),
        Column("caller_rate_per_min", Kind.NUMBER, "Speech rate of the caller, in rate_unit.", "per min"),
        Column("agent_rate_per_min", Kind.NUMBER, "Speech rate of the agent, in rate_unit.", "per min"),
        _text("rate_unit", "words; characters of Chinese and Japanese, letters of others written without spaces."),
        # Warmth: words and turn-taking of the agent only.
        _score("warmth", "Agent's warmth, from words and turn-taking only."),
        _share("warmth_measured", "Share of its signs, by weight, that could be judged in this call."),
        _share("warmth_greeting", "Greeting."),
        _share("warmth_name_use", "Use of the caller's name."),
        _share("warmth_empathy", "Empathy and apology."),
        _share("warmth_acknowledgement", "Acknowledgement and restating."),
        _share("warmth_patience", "Patience: latency, not interrupting, not rushing."),
        _share("warmth_ownership", "Ownership and next step."),
        _share("warmth_closing", "Closing."),
        _text("warmth_quotes", 'The words that count: JSON, [{"sign", "channel", "index", "start_s", "text"}].'),
        # Satisfaction and effort.
        _score("csi", "Customer satisfaction, estimated; higher is better."),
        _score("csi_low", "Lower end of its 80 % interval."),
        _score("csi_high", "Upper end of its 80 % interval."),
        _score("ces", "Customer effort score, estimated, as in CES 2.0: 100 is very easy."),
        _score("ces_low", "Lower end of its 80 % interval."),
        _score("ces_high", "Upper end of its 80 % interval."),
        _text("service_kind", "index, or prediction where csi or ces were fitted on survey answers."),
        _text("service_signals", 'What they were made from: JSON, [{"name", "value", "quotes"}].'),
        _score("survey_csi", "The customer's own answer on satisfaction, brought to the scale of csi."),
        _score("survey_ces", "The customer's own answer on effort, brought to the scale of ces."),
        # Handoff.
        _text("wants", f"What the caller wants, in his or her own redacted words: {_QUOTES}."),
        _text("tried", f"What the caller and the agent did about it already: {_QUOTES}."),
        _text("promises", f"What the agent said would happen: {_QUOTES}."),
        _text("amounts", f"Sums of money that were named: {_QUOTES}."),
        _text("open_question", f"A question that nobody has answered: {_QUOTES}, at most one."),
        # Origin.
        _text("stress_model", "Id of the stress model."),
        _text("transcriber", "Id of the speech recogniser."),
        _text("config", "Digest of the settings that a decision depends on."),
        _text("voicepipe", "Version of voicepipe."),
    ),
)

UTTERANCES = Table(
    "utterances",
    "one utterance; the acoustic columns and the caller's words are empty for the agent, always",
    (
        _CALL_ID,
        _AGENT,
        _QUEUE,
        _CHANNEL,
        Column("index", Kind.COUNT, "0, 1, 2, ... within its channel."),
        _seconds("start_s", "Offset in the call."),
        _seconds("end_s", "Offset in the call."),
        _seconds("speech_s", "Seconds in it that the voice detector called speech."),
        _text("text", "What was said, private data replaced by marks; empty where it was not transcribed."),
        _text("language", "ISO 639-1 code."),
        _text("rejected", "Guard that found that nothing was said: no_speech, compression, repetition, ..."),
        _share("stress", "Calibrated probability of stress that needs a senior agent."),
        Column("arousal", Kind.NUMBER, "Calm to excited.", "-1..1"),
        Column("valence", Kind.NUMBER, "Negative to positive.", "-1..1"),
        _share("confidence", "Of the score; grows with speech heard."),
        _flag("baseline_ready", "The caller's own baseline rests mostly on his or her own voice."),
        _text("emotion", "Most probable emotion."),
        _share("emotion_prob", "Its probability."),
        _text("emotions", "All of them: JSON, {emotion: probability}."),
        _text("top_features", 'What moved the score most: JSON, [{"name", "value", "unit", "deviation", "text"}].'),
        _text("reasons", "The same in plain words, with semicolons."),
        _share("frustration", "Calibrated probability that the words are frustrated."),
        _text("frustration_words", "The words that count, with commas."),
        _text("human_request", "human, supervisor or complaint, where the caller asked for it."),
        _text("human_request_rule", "Rule that found it."),
        _text("human_request_quote", "The words that say it."),
        _text("redactions", "Kinds of private data that were replaced, with commas."),
    ),
)

EPISODES = Table(
    "episodes",
    "one stretch of persistent stress, or one request for a person",
    (
        _CALL_ID,
        _AGENT,
        _QUEUE,
        _CHANNEL,
        Column("index", Kind.COUNT, "0, 1, 2, ... within the call."),
        _seconds("opened_s", "Start of the first utterance that carried evidence."),
        _seconds("closed_s", "End of the last utterance that carried evidence."),
        _seconds("at_s", "Offset at which the alert was decided."),
        _text("closed_by", "Why it ended: calm, call_end or consent."),
        _seconds("duration_s", "closed_s minus opened_s."),
        _share("peak", "Highest stress in it."),
        _share("mean", "Mean stress in it, weighted by speech."),
        _text("reasons", "stress_persisted, human_requested; with commas."),
        _text("urgency", "Of the reroute: normal or high."),
        _seconds("stressed_speech_s", "Speech that had carried evidence when it was decided."),
        Column("log_e", Kind.NUMBER, "Natural logarithm of the evidence when it was decided.", "nats"),
        Column("log_e_voice", Kind.NUMBER, "The same of the voice alone; empty where it did not count.", "nats"),
        Column("log_e_words", Kind.NUMBER, "The same of the words alone; empty where they did not count.", "nats"),
        Column("log_e_threshold", Kind.NUMBER, "Level at which the budget allows an alert.", "nats"),
        Column("false_alarms_per_100_call_hours", Kind.NUMBER, "The budget.", "per 100 h"),
        _text("utterances", "Indices of the channel's utterances that carried the evidence, with commas."),
        _text("quote", "The most stressed of them, redacted."),
        _seconds("quote_s", "Where it starts in the call."),
    ),
)


def _estimate(mean: Column) -> tuple[Column, ...]:
    """Declare a mean over an agent's calls with its interval and the calls behind it."""
    name, unit = mean.name, mean.unit
    return (
        Column(name, Kind.NUMBER, f"{mean.text}: mean over the calls.", unit),
        Column(f"{name}_low", Kind.NUMBER, "Lower end of its 95 % interval.", unit),
        Column(f"{name}_high", Kind.NUMBER, "Upper end of its 95 % interval.", unit),
        Column(f"{name}_calls", Kind.COUNT, "Calls behind it.", "count"),
    )


AGENTS_MEANS = (
    Column("stress_shift", Kind.NUMBER, "Shift of the caller's stress over the call", "-1..1"),
    Column("stress_after_agent", Kind.NUMBER, "Change of the caller's stress across the agent's turns", "-1..1"),
    Column("duration_s", Kind.NUMBER, "Length of the call", "s"),
    Column("agent_talk_ratio", Kind.NUMBER, "The agent's share of all talk", "0..1"),
    Column("agent_interruptions", Kind.NUMBER, "Interruptions of the caller by the agent in a call", "count"),
    Column("agent_latency_median_s", Kind.NUMBER, "Median latency of the agent's answers", "s"),
    Column("agent_silence_s", Kind.NUMBER, "Silences over 3 s that were the agent's", "s"),
    Column("warmth", Kind.NUMBER, "Warmth, from words and turn-taking only", "0..100"),
    Column("csi", Kind.NUMBER, "Customer satisfaction, estimated", "0..100"),
    Column("ces", Kind.NUMBER, "Customer effort score, estimated, 100 is very easy", "0..100"),
)
"""Columns of the calls that the agents' table gives the mean of; intervals by Student's t over calls."""

ENOUGH_CALLS = 20
"""Calls from which an agent may be compared with others: below it the intervals say more than the means."""

AGENTS = Table(
    "agents",
    "one agent, with the number of calls behind every figure",
    (
        _AGENT,
        _count("calls", "Calls of the agent."),
        _flag("comparable", f"At least {ENOUGH_CALLS} calls: nobody is judged on three."),
        _count("alerts", "Calls with an alert."),
        _share("alert_share", "Share of calls with an alert."),
        _share("alert_share_low", "Lower end of its 95 % interval (Wilson)."),
        _share("alert_share_high", "Upper end of its 95 % interval (Wilson)."),
        *(column for mean in AGENTS_MEANS for column in _estimate(mean)),
    ),
)

ERRORS = Table(
    "errors",
    "one recording that failed, wholly or in part",
    (
        _PATH,
        _text("call_id", "Identity of the call, where it is known."),
        _text("stage", "Where: read (nothing of it), decode (a part of it), score, worker (it died), write, measure."),
        _text("error", "One sentence: what was wrong, and what to do."),
    ),
)

IN_PART = ("decode", "measure")
"""Stages of errors that left a call in the tables, scored in part."""

TABLES = (CALLS, UTTERANCES, EPISODES, AGENTS, ERRORS)


def describe() -> str:
    """Return all tables as text: a line a column, with type, unit and what it says."""
    told = []
    for table in TABLES:
        rows = [(column.name, column.kind.value, column.unit, column.text) for column in table.columns]
        if table is CALLS:
            rows.append((f"{OWN_PREFIX}...", Kind.TEXT.value, "", "A manifest's own columns, carried through."))
        widths = [max(len(row[place]) for row in rows) for place in range(3)]
        told.append(f"{table.name}: {table.row}")
        told += [
            "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
            for row in rows
        ]
        told.append("")
    return "\n".join(told)
