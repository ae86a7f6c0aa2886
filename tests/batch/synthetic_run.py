"""Folders of results that no recording stands behind: plausible, repeatable, as large as a test wants them."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voicepipe.batch import columns
from voicepipe.batch.agents import Agents
from voicepipe.batch.tables import schema

Row = dict[str, Any]

AGENTS = (
    *("Amara Osei", "Bianca Moretti", "Chen Wei", "Dmitri Volkov", "Elena Petrova", "Farid Haddad", "Grace Kim"),
    *("Hugo Lindqvist", "Ines Carvalho", "Jonas Weber", "Katya Orlova", "Liam Byrne"),
)
QUEUES = ("Billing", "Deliveries", "Technical help", "Cancellations")

_SAID = {
    "en": {
        "caller": [
            "Hello, I am calling about my order {n}.",
            "It was promised for the {d}th and it is still not here.",
            "I already told your colleague all of this on the {d}th.",
            "Why was I charged {n} when the contract says {m}?",
            "That is not what I was told last week.",
            "I have been waiting for {m} days and nobody calls back.",
            "Okay, and when will that be?",
            "Right, the address is the one you have.",
            "I really do not understand why this takes so long.",
            "Thank you, that would help me.",
        ],
        "agent": [
            "Good morning, thank you for calling, how can I help you today?",
            "I am sorry about that, let me look at order {n} for you.",
            "Just to make sure I understand: it has not arrived since the {d}th?",
            "I can see that it left our warehouse on the {d}th.",
            "One moment please while I check that.",
            "I will send you a confirmation within {m} minutes.",
            "Let me take care of this for you myself.",
            "Is there anything else that I can do for you?",
        ],
        "ask": "I want to speak to your supervisor, please.",
    },
    "ru": {
        "caller": [
            "Здравствуйте, я звоню по заказу {n}.",
            "Мне обещали доставить его ещё {d} числа.",
            "Я уже {m} раза всё это объяснял вашему коллеге.",
            "Почему с меня списали {n} рублей?",
            "Хорошо, а когда это будет?",
            "Я не понимаю, почему так долго.",
            "Спасибо, это мне поможет.",
        ],
        "agent": [
            "Добрый день, чем могу помочь?",
            "Прошу прощения, сейчас проверю заказ {n}.",
            "Правильно ли я понимаю, что вы ждёте с {d} числа?",
            "Подождите минуту, пожалуйста.",
            "Я отправлю вам подтверждение в течение {m} минут.",
        ],
        "ask": "Позовите старшего, пожалуйста.",
    },
    "zh": {
        "caller": [
            "你好，我想查一下订单{n}。",
            "你们说{d}号就能送到的。",
            "我已经说过{m}遍了。",
            "为什么扣了我{n}块钱？",
            "好的，谢谢。",
        ],
        "agent": [
            "您好，请问有什么可以帮您？",
            "非常抱歉，我帮您查一下订单{n}。",
            "请稍等一下。",
            "我会在{m}分钟内给您回复。",
        ],
        "ask": "我要找你们经理。",
    },
}

_REASONS = (
    "pitch {x} semitones above this caller's normal",
    "voice effort {x} dB above this caller's normal",
    "speech rate {x} syllables/s above this caller's normal",
    "pauses {x} s shorter than this caller's normal",
)

_SYLLABLES = ["ka", "lo", "mi", "ne", "ru", "ta", "se", "vo", "pi", "da", "ge", "fu", "sho", "bri", "lan", "ter", "mon"]
_WORDS = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in ("", "n", "st", "ly", "s", "ing")]


@dataclass
class SyntheticRun:
    """Rows of the tables; tests change what they like before `write`."""

    calls: list[Row] = field(default_factory=list)
    utterances: list[Row] = field(default_factory=list)
    episodes: list[Row] = field(default_factory=list)
    errors: list[Row] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=lambda: {"facts": {"analysis.budget": "1.0", "voicepipe": "0.1.0"}})
    surveys: dict[str, Any] | None = None

    def write(self, out: Path) -> Path:
        """Write the tables into a folder, and return it."""
        out.mkdir(parents=True, exist_ok=True)
        agents = Agents()
        for call in self.calls:
            agents.add(call)
        rows = {
            columns.CALLS: self.calls,
            columns.UTTERANCES: self.utterances,
            columns.EPISODES: self.episodes,
            columns.AGENTS: list(agents.rows()),
            columns.ERRORS: self.errors,
        }
        for table, values in rows.items():
            pq.write_table(pa.Table.from_pylist(values, schema=schema(table)), out / f"{table.name}.parquet")
        (out / "run.json").write_text(json.dumps(self.run), encoding="utf-8")
        if self.surveys is not None:
            (out / "surveys.json").write_text(json.dumps(self.surveys), encoding="utf-8")
        return out

    def call(self, call_id: str) -> Row:
        """Return the row of a call."""
        return next(call for call in self.calls if call["call_id"] == call_id)

    def said_in(self, call_id: str) -> list[Row]:
        """Return the rows of a call's utterances."""
        return [utterance for utterance in self.utterances if utterance["call_id"] == call_id]


def synthetic_run(
    n_calls: int,
    *,
    seed: int = 0,
    lines: tuple[int, int] = (16, 70),
    days: int = 21,
    sensitivity: float = 1.0,
    filler_words: int = 0,
) -> SyntheticRun:
    """Make up a run of `n_calls` calls.

    `sensitivity` scales the stress that is heard in the very same calls; `filler_words` are added to each line, so that
    the text is as hard to compress as speech is.
    """
    run = SyntheticRun()
    rng = random.Random(seed)
    weights = [rng.uniform(0.4, 1.6) for _ in AGENTS]
    weights[-1] = 0.0
    for number in range(n_calls):
        agent = AGENTS[-1] if number in (3, 7) else rng.choices(AGENTS, weights)[0]
        own = random.Random(f"{seed} {number}")
        _add_call(
            run, number, agent=agent, rng=own, lines=lines, days=days, scale=sensitivity, filler_words=filler_words
        )
    return run


def _add_call(
    run: SyntheticRun,
    number: int,
    *,
    agent: str,
    rng: random.Random,
    lines: tuple[int, int],
    days: int,
    scale: float,
    filler_words: int,
) -> None:
    call_id = f"{2026_11_00 + number % days:d}-{number:05d}"
    language = rng.choices(("en", "ru", "zh"), (7, 2, 1))[0]
    queue = rng.choices(QUEUES, (5, 4, 3, 2))[0]
    said = _SAID[language]
    mood = rng.choices(("calm", "rising", "upset", "soothed"), (80, 8, 4, 8))[0]
    level = {"calm": 0.14, "rising": 0.2, "upset": 0.55, "soothed": 0.62}[mood]
    n = rng.randint(*lines)
    asks_at = (
        rng.randrange(n // 2, n) // 2 * 2 if rng.random() < (0.25 if mood in ("rising", "upset") else 0.01) else -1
    )
    rows: list[Row] = []
    at_s, count = 0.4, {"caller": 0, "agent": 0}
    target = {"calm": 0.13, "rising": 0.78, "upset": 0.7, "soothed": 0.2}[mood]
    for line in range(n):
        side = "agent" if line % 2 == 0 else "caller"
        words = said["ask"] if side == "caller" and line - 1 == asks_at else rng.choice(said[side])
        text = words.format(n=rng.randint(1000, 99999), d=rng.randint(1, 28), m=rng.randint(2, 15))
        text = " ".join(
            [text, *(_WORDS[min(int(rng.paretovariate(0.7)), len(_WORDS)) - 1] for _ in range(filler_words))]
        )
        length_s = max(0.8, len(text) * (0.16 if language == "zh" else 0.06) * rng.uniform(0.8, 1.2))
        level += 0.12 * (target - level) + rng.gauss(0, 0.05)
        stress = min(0.97, max(0.02, scale * level + rng.gauss(0, 0.05))) if side == "caller" else None
        high = stress is not None and stress >= 0.5
        rows.append(
            {
                "call_id": call_id,
                "agent": agent,
                "queue": queue,
                "channel": side,
                "index": count[side],
                "start_s": at_s,
                "end_s": at_s + length_s,
                "speech_s": length_s,
                "text": text,
                "language": language,
                "stress": stress,
                **({"arousal": stress, "valence": -stress, "confidence": 0.8} if stress is not None else {}),
                "reasons": "; ".join(one.format(x=f"{rng.uniform(1, 6):.1f}") for one in rng.sample(_REASONS, 2))
                if high
                else None,
                "frustration": min(1.0, 0.8 * stress) if stress is not None else None,
                "frustration_words": "already told, nobody" if high else None,
                **({"human_request": "supervisor", "human_request_quote": said["ask"]} if words == said["ask"] else {}),
            }
        )
        count[side] += 1
        at_s += length_s + (rng.uniform(4, 12) if rng.random() < 0.02 else rng.uniform(0.1, 0.9))
    run.utterances += rows
    caller = [row for row in rows if row["channel"] == "caller"]
    stressed = [row for row in caller if row["stress"] >= 0.6]
    episodes = []
    if len(stressed) >= 5:
        decided = stressed[4]
        episodes.append(
            {
                "call_id": call_id,
                "agent": agent,
                "queue": queue,
                "channel": "caller",
                "index": 0,
                "opened_s": stressed[0]["start_s"],
                "closed_s": stressed[-1]["end_s"] if mood == "soothed" else None,
                "at_s": decided["end_s"],
                "peak": max(row["stress"] for row in stressed),
                "mean": sum(row["stress"] for row in stressed) / len(stressed),
                "reasons": "stress_persisted",
                "urgency": "high",
                "log_e": 9.1,
                "log_e_threshold": 8.3,
                "stressed_speech_s": sum(row["speech_s"] for row in stressed[:5]),
                "false_alarms_per_100_call_hours": 1.0,
                "utterances": ",".join(str(row["index"]) for row in stressed[:5]),
                "quote": decided["text"],
                "quote_s": decided["start_s"],
            }
        )
    asked = [row for row in caller if row.get("human_request")]
    if asked:
        episodes.append(
            {
                **{name: asked[0][name] for name in ("call_id", "agent", "queue", "channel")},
                "index": 0,
                "opened_s": asked[0]["start_s"],
                "closed_s": asked[-1]["end_s"],
                "at_s": asked[0]["end_s"],
                "reasons": "human_requested",
                "urgency": "high",
                "utterances": str(asked[0]["index"]),
                "stressed_speech_s": asked[0]["speech_s"],
            }
        )
    run.episodes += episodes
    run.calls.append(
        _call_row(number, call_id, rows, episodes, agent=agent, queue=queue, language=language, days=days, rng=rng)
    )


def _call_row(
    number: int,
    call_id: str,
    rows: list[Row],
    episodes: list[Row],
    *,
    agent: str,
    queue: str,
    language: str,
    days: int,
    rng: random.Random,
) -> Row:
    caller = [row for row in rows if row["channel"] == "caller"]
    third = max(1, len(caller) // 3)
    thirds = [
        sum(row["stress"] for row in part) / len(part)
        for part in (caller[:third], caller[third:-third] or caller, caller[-third:])
    ]
    asked = [row for row in caller if row.get("human_request")]
    duration_s = rows[-1]["end_s"] + 1.0
    shift = thirds[2] - thirds[0]
    warmth = {
        name: rng.betavariate(3, 2)
        for name in ("greeting", "empathy", "acknowledgement", "patience", "ownership", "closing")
    }
    csi = max(0.0, min(100.0, 72 - 90 * max(0.0, shift) - 30 * thirds[2] + rng.gauss(0, 6)))
    thanks = rows[0]
    return {
        "call_id": call_id,
        "path": f"recordings/{call_id}.wav",
        "agent": agent,
        "queue": queue,
        "language": language,
        "started_at": datetime(2026, 10, 31, 8, tzinfo=UTC)
        + timedelta(days=number % days, minutes=rng.randrange(0, 600)),
        "roles": "given",
        "channels": "caller,agent",
        "duration_s": duration_s,
        "coverage": 1.0 if rng.random() < 0.97 else 0.85,
        "stress_mean": sum(row["stress"] for row in caller) / len(caller),
        "stress_peak": max(row["stress"] for row in caller),
        **dict(zip(("stress_start", "stress_middle", "stress_end"), thirds, strict=True)),
        "stress_shift": shift,
        "stress_after_agent": shift / 10,
        "alert": bool(episodes or asked),
        "episodes": len(episodes),
        "first_opened_s": episodes[0]["opened_s"] if episodes else None,
        "stress_peak_s": max(caller, key=lambda row: float(row["stress"]))["start_s"],
        "episode_peak": max((one["peak"] for one in episodes if "peak" in one), default=None),
        "human_requests": len(asked),
        "human_request_quote": asked[0]["human_request_quote"] if asked else None,
        "frustration_peak": max(row["frustration"] for row in caller),
        "agent_talk_ratio": rng.uniform(0.35, 0.65),
        "overlap_s": rng.uniform(0, 4),
        "silence_s": rng.uniform(0, 25),
        "agent_silence_s": rng.expovariate(1 / 6),
        "agent_interruptions": rng.choices((0, 1, 2, 5), (6, 3, 2, 0.3))[0],
        "caller_interruptions": rng.choices((0, 1, 2), (6, 3, 1))[0],
        "agent_latency_median_s": rng.uniform(0.2, 1.6),
        "caller_latency_median_s": rng.uniform(0.2, 1.2),
        "agent_longest_turn_s": rng.uniform(4, 20),
        "agent_monologues": 0,
        "agent_rate_per_min": rng.uniform(120, 180),
        "caller_rate_per_min": rng.uniform(120, 190),
        "rate_unit": "words",
        "warmth": 100 * sum(warmth.values()) / len(warmth),
        **{f"warmth_{name}": value for name, value in warmth.items()},
        "warmth_quotes": json.dumps(
            [
                {
                    "sign": "greeting",
                    "channel": "agent",
                    "index": 0,
                    "start_s": thanks["start_s"],
                    "text": thanks["text"],
                }
            ],
            ensure_ascii=False,
        ),
        "csi": csi,
        "csi_low": max(0, csi - 14),
        "csi_high": min(100, csi + 14),
        "ces": csi * 0.9,
        "ces_low": max(0, csi * 0.9 - 18),
        "ces_high": min(100, csi * 0.9 + 18),
        "service_kind": "index",
        "wants": _quotes(caller[:2]),
        "tried": _quotes(caller[2:3]),
        "promises": _quotes([row for row in rows if row["channel"] == "agent"][5:6]),
        "amounts": _quotes([]),
        "open_question": _quotes([row for row in caller[3:] if row["text"].endswith(("?", "？"))][-1:]),
        "stress_model": "stress-1",
        "transcriber": "whisper-base-int8",
        "config": "6e1f0c",
        "voicepipe": "0.1.0",
    }


def _quotes(rows: Iterable[Row]) -> str:
    quotes = [{name: row[name] for name in ("channel", "index", "start_s", "text")} for row in rows]
    return json.dumps(quotes, ensure_ascii=False)
