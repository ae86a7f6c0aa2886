"""Long calls and a large store, for the pages that read them."""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from tests.events.calls import VERSIONS, make_call, make_episode
from voicepipe.events import outbox, tables
from voicepipe.events.envelope import message_of
from voicepipe.events.reroute import RerouteConfig, build_reroute
from voicepipe.events.rows import record_event
from voicepipe.events.store import Store
from voicepipe.events.tables import text_of
from voicepipe.types import (
    Call,
    CallStarted,
    CallSummary,
    Channel,
    Coverage,
    FeatureDeviation,
    Frustration,
    HumanRequest,
    ScoredUtterance,
    StressScore,
    Transcript,
)

CALLER = (
    "Hello, my internet has been down since Monday and nobody calls me back.",
    "I have called three times about this router already.",
    "My number is [phone] and the account is [account].",
    "This is not acceptable, I want my money back.",
    "Can I speak to your supervisor please?",
    "Yes. I switched it off and on again, twice.",
    "When will the technician be here?",
)
AGENT = (
    "Good morning, this is Anna, how can I help you?",
    "I am sorry to hear that. Let me check your line.",
    "I will send a technician tomorrow before noon.",
    "Can you tell me your customer number, please?",
    "I understand, that must be very annoying.",
    "One moment please, I have to look that up.",
)


def make_score(stress: float, *, model_id: str = "stress-4", ready: bool = True) -> StressScore:
    features = (
        FeatureDeviation(
            name="pitch_median_st",
            value=20.0,
            unit="semitones",
            deviation=round(6.0 * stress, 2),
            text=f"pitch {6.0 * stress:.1f} semitones above this caller's normal",
        ),
        FeatureDeviation(
            name="level_peak_db",
            value=-20.0,
            unit="dB",
            deviation=round(9.0 * stress, 2),
            text=f"loudness peaks {9.0 * stress:.1f} dB above this caller's normal",
        ),
    )
    return StressScore(
        stress=stress,
        arousal=0.5,
        valence=-0.5,
        emotions={"neutral": 1.0 - stress, "angry": stress},
        confidence=0.8,
        model_id=model_id,
        baseline_ready=ready,
        top_features=features if stress > 0.3 else (),
    )


def make_long_call(call_id: str, *, utterances: int, seed: int = 1) -> tuple[ScoredUtterance, ...]:
    """Return a conversation in turns, about 3.6 s an utterance; its middle fifth is stressed."""
    rng = random.Random(seed)
    said: list[ScoredUtterance] = []
    start_s = 1.0
    for number in range(utterances):
        channel = Channel.CALLER if number % 2 else Channel.AGENT
        texts = CALLER if channel is Channel.CALLER else AGENT
        text = texts[(number // 2) % len(texts)]
        upset = utterances * 2 // 5 <= number < utterances * 3 // 5
        stress = min(0.98, max(0.02, rng.gauss(0.8 if upset else 0.15, 0.08)))
        length_s = rng.uniform(1.8, 4.2)
        is_caller = channel is Channel.CALLER
        said.append(
            ScoredUtterance(
                call_id=call_id,
                channel=channel,
                index=number // 2,
                start_s=round(start_s, 2),
                end_s=round(start_s + length_s, 2),
                decided_s=round(start_s + length_s + 0.5, 2),
                speech_s=round(length_s * 0.9, 2),
                transcript=Transcript(text=text, language="en", redacted=True),
                score=make_score(stress, ready=number > 10) if is_caller else None,
                human_request=HumanRequest(kind="supervisor", rule="supervisor", quote="speak to your supervisor")
                if is_caller and "supervisor" in text
                else None,
                frustration=Frustration(prob=0.9, words=("not acceptable",), model_id="frustration-1")
                if is_caller and "acceptable" in text
                else None,
            )
        )
        start_s += length_s + rng.uniform(0.1, 1.0)
    return tuple(said)


def keep_long_call(store: Store, call: Call, *, utterances: int) -> float:
    """Write a long call with one episode and its alert; return how long it was, in seconds."""
    said = make_long_call(call.call_id, utterances=utterances)
    upset = [one for one in said if one.score is not None and one.score.stress > 0.5]
    length_s = said[-1].end_s + 2.0
    opened = replace(
        make_episode(call_id=call.call_id, utterances=tuple(one.index for one in upset[:4])),
        opened_s=upset[0].start_s,
        at_s=upset[3].decided_s,
    )
    summary = CallSummary(call=call, duration_s=length_s, language="en", coverage=Coverage(speech_s=10.0), reason="end")
    reroute = build_reroute(
        opened,
        call=call,
        utterances=said,
        coverage=Coverage(speech_s=10.0),
        versions=VERSIONS,
        config=RerouteConfig(),
    )
    store.record([CallStarted(call=call), *said, opened, summary], [message_of(reroute)])
    return length_s


def fill(store: Store, *, now: datetime, calls: int, alerts: int, scored_calls: int = 0, seed: int = 7) -> None:
    """Write many calls of the last year, some with an alert, most of those judged.

    Parameters
    ----------
    store : Store
    now : datetime
    calls, alerts : int
        In all, and how many of them have an alert.
    scored_calls : int
        The last calls that have twelve scored utterances each.
    """
    rng = random.Random(seed)
    queues = ("billing", "claims", "sales", None)
    languages = ("en", "ru", "zh")
    kept = []
    for number in range(calls):
        started_at = now - timedelta(days=365) * (1.0 - (number + 0.5) / calls)
        base = make_call(f"call-{number:06d}")
        kept.append(replace(base, queue=queues[number % 4], started_at=started_at, language=languages[number % 3]))
    every = max(1, calls // alerts) if alerts else calls + 1
    chosen = list(itertools.islice((call for number, call in enumerate(kept) if number % every == 0), alerts))
    history = make_long_call("any", utterances=12)
    for some in _batches(chosen, 250):
        messages = []
        for call in some:
            said = [replace(one, call_id=call.call_id) for one in history]
            episode = replace(make_episode(call_id=call.call_id), opened_s=5.0, at_s=rng.uniform(15.0, 90.0))
            messages.append(
                message_of(
                    build_reroute(
                        episode,
                        call=call,
                        utterances=said,
                        coverage=Coverage(speech_s=30.0),
                        versions=VERSIONS,
                        config=RerouteConfig(),
                    )
                )
            )
        store.record([], messages)
    with store._writing() as connection:
        rows = [
            {
                "call_id": call.call_id,
                "started_at": text_of(call.started_at),
                "gateway": "file",
                "roles": "given",
                "queue": call.queue,
                "language": call.language,
                "duration_s": rng.uniform(60.0, 900.0),
                "coverage": 1.0,
                "basis": "notice",
                "channels": json.dumps(["caller", "agent"]),
            }
            for call in kept
        ]
        connection.execute(tables.calls.insert(), rows)
        for call in kept[len(kept) - scored_calls :]:
            for one in history:
                record_event(connection, replace(one, call_id=call.call_id))
        found = connection.execute(tables.alerts.select()).mappings().all()
        for number, row in enumerate(found):
            if number % 5 == 4:
                continue
            at = datetime.fromisoformat(row["requested_at"])
            handled = {"event_id": row["event_id"], "call_id": row["call_id"], "by": "ann"}
            verdict = "justified" if rng.random() < 0.8 else "false_alarm"
            for kind, value, after_s in (("take", None, rng.uniform(5, 60)), ("verdict", verdict, 600.0)):
                values = {**handled, "kind": kind, "value": value, "at": text_of(at + timedelta(seconds=after_s))}
                connection.execute(outbox.insert(connection, tables.handling).values(**values))


def _batches(calls: list[Call], size: int) -> Iterator[list[Call]]:
    for first in range(0, len(calls), size):
        yield calls[first : first + size]
