"""The tables of a run: what is declared is what is written, and what analysts' tools read."""

import csv
import errno
import json
import math
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.batch.workers import TALK, scored_call
from voicepipe.batch import measured
from voicepipe.batch.columns import AGENTS_MEANS, CALLS, EPISODES, OWN_PREFIX, TABLES, UTTERANCES, describe
from voicepipe.batch.items import Item
from voicepipe.batch.lines import dump, read_utterance
from voicepipe.batch.results import Results, read_lines
from voicepipe.batch.surveys import Surveys
from voicepipe.batch.tables import Failure, build_tables, schema
from voicepipe.conversation import measure_conversation
from voicepipe.conversation.surveys import SurveyError
from voicepipe.types import Channel, StoreError

README = Path(__file__).resolve().parents[2] / "README.md"

EPISODE = {
    "type": "episode",
    "call_id": "upset",
    "channel": "caller",
    "index": 0,
    "opened_s": 5.0,
    "peak": 0.7,
    "mean": 0.6,
    "reasons": ["stress_persisted", "human_requested"],
    "closed_by": None,
    "log_e": 3.0,
    "log_e_voice": 2.0,
    "log_e_words": 1.0,
    "log_e_threshold": 2.5,
    "false_alarms_per_100_call_hours": 1.0,
    "stressed_speech_s": 7.0,
    "utterances": [0, 1],
}


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    with Results(tmp_path / "out", facts={}, resume=False) as results:
        yield results


def keep(results: Results, call_id: str, **known: object) -> None:
    item = Item(path=f"night/{call_id}.wav", call_id=call_id, **known)  # type: ignore[arg-type]
    outcome = scored_call(item)
    assert results.keep(item, call_id, outcome.text) is None


def keep_upset(results: Results) -> None:
    """Keep a call with an episode and its reroute."""
    item = Item(path="night/upset.wav", call_id="upset", agent="Anna", queue="billing")
    *told, last = scored_call(item).text.splitlines(keepends=True)
    opened = EPISODE | {"state": "opened", "at_s": 20.0, "closed_s": None}
    closed = EPISODE | {
        "state": "closed",
        "at_s": 31.0,
        "closed_s": 19.0,
        "peak": 0.9,
        "mean": 0.8,
        "closed_by": "calm",
    }
    reroute = {"type": "reroute", "kind": "requested", "episode": 0, "urgency": "high"}
    text = "".join([*told[:4], dump([opened, reroute]), *told[4:], dump([closed]), last])
    assert results.keep(item, "upset", text) is None


def test_what_is_declared_is_what_is_written(results: Results) -> None:
    keep_upset(results)
    failure = Failure(path="night/bad.wav", call_id=None, stage="read", error="bad")
    build_tables(results, failures=[failure], with_csv=True)
    for table in TABLES:
        written = pq.read_schema(results.out / f"{table.name}.parquet")
        assert written.equals(schema(table), check_metadata=True)
        assert tuple(written.names) == table.names
        for column in table.columns:
            metadata = written.field(column.name).metadata
            assert metadata[b"description"].decode() == column.text
            assert metadata.get(b"unit", b"").decode() == column.unit
            assert f"  {column.name} " in describe()
        with (results.out / f"{table.name}.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        assert tuple(rows[0]) == table.names
        assert len(rows) - 1 == pq.read_metadata(results.out / f"{table.name}.parquet").num_rows
        assert len(set(table.names)) == len(table.names)
    assert not list(results.out.glob(".*.partial"))


def test_every_column_is_filled_by_a_call_that_has_it_all(results: Results) -> None:
    keep_upset(results)
    build_tables(results, failures=[], with_csv=False)
    (call,) = pq.read_table(results.out / "calls.parquet").to_pylist()
    never = {"error", "consent", "consent_basis", "survey_csi", "survey_ces", "longest_silence_s"}
    weak = {"agent_rate_per_min", "caller_rate_per_min"}  # needs more speech than this call has
    judged = {f"warmth_{name}" for name in ("name_use", "empathy", "acknowledgement", "closing", "ownership")}
    empty = {name for name, value in call.items() if value is None}
    assert empty <= never | weak | judged | {"stress_after_agent_low", "stress_after_agent_high"}, empty
    assert (call["alert"], call["episodes"], call["episode_s"], call["urgency"]) == (True, 1, 14.0, "high")
    assert (call["first_alert_s"], call["first_opened_s"], call["episode_peak"]) == (20.0, 5.0, 0.9)
    assert call["reasons"] == "stress_persisted,human_requested"
    assert (call["human_requests"], call["first_human_request_s"]) == (1, 15.0)
    assert call["human_request_quote"] == "I want to speak to a supervisor."
    assert (call["stress_peak"], call["stress_peak_s"]) == (0.9, 15.0)
    assert call["started_at"] == datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    (episode,) = pq.read_table(results.out / "episodes.parquet").to_pylist()
    assert {name for name, value in episode.items() if value is None} == set()
    assert (episode["at_s"], episode["closed_s"], episode["duration_s"], episode["peak"]) == (20.0, 19.0, 14.0, 0.9)
    assert (episode["quote"], episode["quote_s"]) == (TALK[3][1], 15.0)
    (agent,) = pq.read_table(results.out / "agents.parquet").to_pylist()
    assert (agent["agent"], agent["calls"], agent["alerts"], agent["comparable"]) == ("Anna", 1, 1, False)


def test_nothing_acoustic_of_the_agent_is_in_any_table(results: Results) -> None:
    keep_upset(results)
    build_tables(results, failures=[], with_csv=False)
    acoustic = ("stress", "arousal", "valence", "confidence", "baseline_ready", "emotion", "emotions", "top_features")
    for row in pq.read_table(results.out / "utterances.parquet").to_pylist():
        if row["channel"] == "agent":
            assert row["text"]
            for name in (*acoustic, "reasons", "frustration", "human_request"):
                assert row[name] is None, name
        else:
            assert row["stress"] is not None
    agents_own = [
        name for table in TABLES for name in table.names if re.search(r"agent.*(stress|arousal|emotion)", name)
    ]
    assert agents_own == []
    about_the_caller = {"stress_shift", "stress_after_agent"}
    assert {column.name for column in AGENTS_MEANS if "stress" in column.name} == about_the_caller


def test_own_columns_of_several_manifests(results: Results) -> None:
    keep(results, "a", own=(("Campaign", "spring"), ("duration_s", "not ours")))
    keep(results, "b", own=(("тариф", "большой"),))
    build_tables(results, failures=[], with_csv=False)
    a, b = pq.read_table(results.out / "calls.parquet").to_pylist()
    assert (a["own_Campaign"], a["own_duration_s"], a["own_тариф"]) == ("spring", "not ours", None)
    assert (b["own_Campaign"], b["own_тариф"]) == (None, "большой")
    assert isinstance(a["duration_s"], float)
    assert OWN_PREFIX not in CALLS.names


def test_a_spreadsheet_runs_nothing_that_a_file_brings(results: Results) -> None:
    keep(results, "=1+1", agent="@SUM(A1)", own=(("note", "=cmd|' /C calc'!A0"), ("dash", "-5"), ("plain", "Привет")))
    build_tables(results, failures=[], with_csv=True)
    raw = (results.out / "calls.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf"), "Excel takes it for UTF-8"
    (row,) = csv.DictReader(raw.decode("utf-8-sig").splitlines())
    assert row["call_id"] == "'=1+1"
    assert row["agent"] == "'@SUM(A1)"
    assert row["own_note"].startswith("'=cmd")
    assert row["own_dash"] == "'-5"
    assert row["own_plain"] == "Привет"
    assert float(row["stress_shift"]) < 0, "numbers stay numbers"
    (typed,) = pq.read_table(results.out / "calls.parquet").to_pylist()
    assert typed["call_id"] == "=1+1"


def test_pandas_and_duckdb_read_them(results: Results) -> None:
    keep_upset(results)
    keep(results, "b")
    build_tables(results, failures=[], with_csv=False)
    frame = pd.read_parquet(results.out / "calls.parquet")
    assert frame["started_at"].dt.tz is not None
    assert frame["alert"].tolist() == [False, True]
    types = dict(
        duckdb.sql(f"DESCRIBE SELECT * FROM '{results.out}/calls.parquet'")
        .project("column_name, column_type")
        .fetchall()
    )
    assert types == {column.name: column.kind.value for column in CALLS.columns}


def readme_queries() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_queries_of_the_readme(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_upset(results)
    for index in range(25):
        keep(results, f"c{index}", agent="Bea", queue="sales")
    build_tables(results, failures=[], with_csv=False)
    monkeypatch.chdir(results.out)
    queries = readme_queries()
    assert len(queries) == 5
    to_hear, who, when, upset, requests = (duckdb.sql(query).fetchall() for query in queries)
    assert [row[0] for row in to_hear] == ["upset"]
    assert [row[0] for row in who] == ["Bea"]
    assert {(row[0], row[1], row[2]) for row in when} == {("billing", 9, 1), ("sales", 9, 25)}
    assert {row[4] for row in upset} == {TALK[3][1]}
    assert [(row[0], row[1]) for row in requests] == [("sales", 25), ("billing", 1)]


def test_the_length_of_a_call_is_judged_by_its_queue(results: Results) -> None:
    for queue, turns in (("a", 1), ("a", 2), ("a", 6), ("b", 3)):
        item = Item(path=f"{queue}{turns}.wav", queue=queue)
        outcome = scored_call(item, turns=turns)
        results.keep(item, outcome.call_id or "", outcome.text)
    build_tables(results, failures=[], with_csv=False)
    lengths = {
        call["call_id"]: signal["value"]
        for call in pq.read_table(results.out / "calls.parquet").to_pylist()
        for signal in json.loads(call["service_signals"])
        if signal["name"] == "length"
    }
    assert lengths["a2"] == lengths["b3"] == 0.5
    assert lengths["a1"] == pytest.approx(1 / (1 + math.exp(-math.log2(6.0 / 11.0))), abs=1e-4)
    assert lengths["a1"] < 0.5 < lengths["a6"]


def test_building_the_tables_only_reads(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_upset(results)

    def never(*args: object, **kwargs: object) -> object:
        raise AssertionError

    monkeypatch.setattr(measured, "measure_conversation", never)
    monkeypatch.setattr(measured, "read_utterance", never)
    assert build_tables(results, failures=[], with_csv=False).errors == 0


def test_what_words_of_another_language_say_is_not_known(results: Results) -> None:
    for name, language, known in (("es", "es", ["en"]), ("asked", "es", ["en"]), ("mine", "es", ["en", "es"])):
        item = Item(path=f"{name}.wav", call_id=name, agent="Ana")
        *told, last = map(json.loads, scored_call(item).text.splitlines())
        for line in told:
            line["language"] = language
            line["human_request"] = line["human_request"] if name == "asked" else None
        last |= {"language": language, "request_languages": known}
        results.keep(item, name, dump([*told, measured.measured(last, told)]))
    build_tables(results, failures=[], with_csv=False)
    calls = {call["call_id"]: call for call in pq.read_table(results.out / "calls.parquet").to_pylist()}
    assert {name: call["human_requests"] for name, call in calls.items()} == {"es": None, "asked": 1, "mine": 0}
    assert calls["es"]["warmth"] is None
    assert calls["es"]["warmth_greeting"] is None
    assert {one["name"] for one in json.loads(calls["es"]["service_signals"])}.isdisjoint({"thanks", "human_request"})
    (agent,) = pq.read_table(results.out / "agents.parquet").to_pylist()
    assert (agent["calls"], agent["warmth"], agent["warmth_calls"]) == (3, None, 0)


def test_what_a_worker_measured_is_what_the_conversation_is(results: Results) -> None:
    item = Item(path="a.wav", queue="billing")
    outcome = scored_call(item, turns=23)
    results.keep(item, "a", outcome.text)
    build_tables(results, failures=[], with_csv=False)
    (call,) = pq.read_table(results.out / "calls.parquet").to_pylist()
    *told, last = read_lines(next(results.files()))
    direct = measure_conversation(
        [read_utterance(line) for line in told if line["type"] == "utterance"],
        duration_s=last["duration_s"],
        channels=(Channel.CALLER, Channel.AGENT),
        language="en",
        queue_median_s=last["duration_s"],
    )
    for name, estimate in (("csi", direct.service.csi), ("ces", direct.service.ces)):
        assert estimate is not None
        shown = (call[name], call[f"{name}_low"], call[f"{name}_high"])
        assert shown == pytest.approx((estimate.value, estimate.low, estimate.high), abs=0.1)
    assert call["warmth"] == pytest.approx(direct.warmth.overall, abs=1e-3)
    assert call["stress_shift"] == pytest.approx(direct.stress.shift, abs=1e-3)
    question = [direct.handoff.question] if direct.handoff.question else []
    for column, quotes in (
        ("wants", direct.handoff.wants),
        ("tried", direct.handoff.tried),
        ("promises", direct.handoff.promises),
        ("amounts", direct.handoff.amounts),
        ("open_question", question),
    ):
        assert [quote["text"] for quote in json.loads(call[column])] == [quote.text for quote in quotes]
    assert json.loads(call["wants"])


def test_a_conversation_that_cannot_be_measured_costs_its_own_columns(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = measure_conversation

    def fails_once(*args: object, **kwargs: object) -> object:
        monkeypatch.setattr(measured, "measure_conversation", measure)
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(measured, "measure_conversation", fails_once)
    keep(results, "a")
    keep(results, "b")
    totals = build_tables(results, failures=[], with_csv=False)
    a, b = pq.read_table(results.out / "calls.parquet").to_pylist()
    assert (a["call_id"], a["csi"], a["wants"], a["caller_utterances"]) == ("a", None, None, 3)
    assert b["csi"] is not None
    (error,) = pq.read_table(results.out / "errors.parquet").to_pylist()
    assert (error["call_id"], error["stage"]) == ("a", "measure")
    assert totals.stages == {"measure": 1}


@pytest.mark.slow
def test_a_call_of_six_hours(results: Results) -> None:
    item = Item(path="long.wav", call_id="long")
    outcome = scored_call(item, turns=6 * 3600 // 5)
    results.keep(item, "long", outcome.text)
    assert build_tables(results, failures=[], with_csv=False).errors == 0
    (call,) = pq.read_table(results.out / "calls.parquet").to_pylist()
    assert call["duration_s"] > 6 * 3600
    assert call["caller_turns"] == call["caller_utterances"] == 2160
    assert call["csi"] is not None


def test_a_full_disk_leaves_the_old_tables(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(results, "a")
    build_tables(results, failures=[], with_csv=True)
    before = {path.name: path.read_bytes() for path in results.out.glob("*.*")}
    keep(results, "b")

    def full(self: pq.ParquetWriter, table: pa.Table, *args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(StoreError, match=r"No space left on device.*--resume"):
        build_tables(results, failures=[], with_csv=True)
    assert {path.name: path.read_bytes() for path in results.out.glob("*.*")} == before


def test_no_calls_at_all(results: Results) -> None:
    totals = build_tables(results, failures=[], with_csv=False)
    assert (totals.calls, totals.errors) == (0, 0)
    for table in (CALLS, UTTERANCES, EPISODES):
        assert pq.read_metadata(results.out / f"{table.name}.parquet").num_rows == 0


def test_the_same_calls_give_the_same_bytes_in_whatever_order_they_came(tmp_path: Path) -> None:
    written = []
    for order in (("a", "b", "c"), ("c", "a", "b")):
        with Results(tmp_path / "".join(order), facts={}, resume=False) as results:
            for call_id in order:
                keep(results, call_id, agent="Anna")
            build_tables(results, failures=[], with_csv=True)
            written.append({path.name: path.read_bytes() for path in results.out.glob("*.*") if path.is_file()})
    assert written[0] == written[1]


class TestSurveys:
    def answers(self, tmp_path: Path, text: str) -> Surveys:
        path = tmp_path / "answers.csv"
        path.write_text(text, encoding="utf-8-sig")
        return Surveys.read(path)

    def test_estimates_are_fitted_and_answers_stand_beside_them(self, results: Results, tmp_path: Path) -> None:
        rows = ["call_id,csat,ces"]
        for index in range(40):
            call_id, good = f"c{index:02}", index % 2 == 0
            item = Item(path=f"{call_id}.wav", call_id=call_id)
            outcome = scored_call(item, stress=0.1 if good else 0.9)
            results.keep(item, call_id, outcome.text)
            if index < 36:
                rows.append(f"{call_id},{5 if good else 2},{6 if good else 1}")
        build_tables(results, failures=[], with_csv=False, surveys=self.answers(tmp_path, "\n".join(rows)))
        calls = {row["call_id"]: row for row in pq.read_table(results.out / "calls.parquet").to_pylist()}
        assert {row["service_kind"] for row in calls.values()} == {"prediction"}
        assert (calls["c00"]["survey_csi"], calls["c01"]["survey_csi"], calls["c39"]["survey_csi"]) == (
            100.0,
            25.0,
            None,
        )
        assert calls["c38"]["csi"] > calls["c39"]["csi"] + 30, "also where nobody answered"
        told = pd.read_json(results.out / "surveys.json", typ="series")
        assert told["csi"]["n"] == 36
        assert len(told["csi"]["pairs"]) == 36
        assert told["csi"]["correlation"] > 0.9

    def test_too_few_answers(self, results: Results, tmp_path: Path) -> None:
        keep(results, "a")
        (results.out / "surveys.json").write_text("{}")
        answers = self.answers(tmp_path, "call_id,csat\na,5\n")
        totals = build_tables(results, failures=[], with_csv=False, surveys=answers)
        assert "30" in (totals.unfitted or "")
        (call,) = pq.read_table(results.out / "calls.parquet").to_pylist()
        assert (call["service_kind"], call["survey_csi"]) == ("index", 100.0), "what the customer answered stays"
        assert not (results.out / "surveys.json").exists(), "an earlier fit is not of these figures"

    def test_a_quotation_mark_that_is_not_closed_loses_no_answer(self, tmp_path: Path) -> None:
        with pytest.raises(SurveyError, match=r"answers\.csv: Surveys, line 3: this is no line of CSV"):
            self.answers(tmp_path, 'call_id,csat,note\na,5,fine\nb,4,"so so\nc,3,\nd,2,\n')

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(
            SurveyError, match=r"gone\.csv cannot be read \(No such file or directory\); check the path"
        ):
            Surveys.read(tmp_path / "gone.csv")
        with pytest.raises(SurveyError, match=r"answers\.csv: .*scale"):
            self.answers(tmp_path, "call_id,csat\na,9\n")
