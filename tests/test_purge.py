"""A person's traces are removed wherever they are kept, by command and by a caller who withdraws."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from tests.events.calls import VERSIONS, make_call, make_episode, make_messages, make_summary, make_utterance
from tests.pipeline.test_consent import upset
from tests.pipeline.test_pool import models
from voicepipe.batch.results import file_name
from voicepipe.config import Settings
from voicepipe.consent import caller_id_of
from voicepipe.events.config import KafkaConfig
from voicepipe.events.reroute import REROUTE_TOPIC
from voicepipe.gateways.config import ServeConfig
from voicepipe.gateways.decoder import DecoderLimits
from voicepipe.pipeline.call import analyze_call
from voicepipe.purge import PurgeOrder, purge
from voicepipe.service import Courier, open_store, tell_reroutes
from voicepipe.types import CallEvent, CallStarted, ConfigError

NOW = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
KEY = "a key of the operator"
NUMBER = "+49 30 7654321"
SAID = "I have told you this three times"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        store_url=f"sqlite:///{tmp_path}/store.sqlite",
        kafka=KafkaConfig(bootstrap_servers="127.0.0.1:1"),
        serve=ServeConfig(decoder=DecoderLimits(caller_key=SecretStr(KEY))),
    )


def keep(settings: Settings, call_id: str, *, number: str = NUMBER) -> None:
    call = replace(make_call(call_id), caller_id=caller_id_of(number, key=KEY))
    events: list[CallEvent] = [
        CallStarted(call=call),
        make_utterance(0, call_id=call_id),
        make_episode(call_id=call_id),
        replace(make_summary(call_id), call=call),
    ]
    with open_store(settings, clock=lambda: NOW) as store:
        store.record(events, make_messages(call_id))


def order(**what: object) -> PurgeOrder:
    return PurgeOrder(**({"actor": "anna", "reason": "Art. 17"} | what))  # type: ignore[arg-type]


def run_folder(tmp_path: Path, *call_ids: str) -> Path:
    """Return the folder of a run that scored these calls."""
    out = tmp_path / "out"
    (out / "calls").mkdir(parents=True)
    for call_id in call_ids:
        (out / "calls" / file_name(call_id)).write_text(json.dumps({"call_id": call_id, "text": SAID}) + "\n")
    pq.write_table(pa.table({"call_id": list(call_ids), "text": [SAID] * len(call_ids)}), out / "utterances.parquet")
    pq.write_table(pa.table({"agent_id": ["a"], "calls": [2]}), out / "agents.parquet")
    (out / "utterances.csv").write_text("\ufeffcall_id,text\n" + "".join(f"{one},{SAID}\n" for one in call_ids))
    (out / "report.html").write_text("<p>report</p>")
    return out


def test_a_call_is_purged_from_store_and_folders(settings: Settings, tmp_path: Path) -> None:
    for call_id in ("mine/1", "other"):
        keep(settings, call_id)
    out = run_folder(tmp_path, "mine/1", "other")
    counted = purge(settings, order(call_id="mine/1", folders=[out], dry_run=True), now=NOW)
    assert len(list((out / "calls").iterdir())) == 2
    outcome = purge(settings, order(call_id="mine/1", folders=[out]), now=NOW)
    assert replace(outcome, waiting=None) == counted
    assert (outcome.erased.calls, outcome.erased.unsent, outcome.files, outcome.rows) == (1, 4, 1, 1)
    assert outcome.reports == (out / "report.html",)
    assert [path.name for path in (out / "calls").iterdir()] == ["other.jsonl"]
    assert pq.read_table(out / "utterances.parquet")["call_id"].to_pylist() == ["other"]
    assert pq.read_table(out / "agents.parquet").num_rows == 1
    assert (out / "utterances.csv").read_text(encoding="utf-8-sig").splitlines() == ["call_id,text", f"other,{SAID}"]
    again = purge(settings, order(call_id="mine/1", folders=[out]), now=NOW + timedelta(seconds=1))
    assert (again.erased.calls, again.files, again.rows) == (0, 0, 0)


@pytest.mark.parametrize("written", [NUMBER, "0049307654321", "tel:+49-30-7654321", caller_id_of(NUMBER, key=KEY)])
def test_a_caller_is_found_by_number_or_pseudonym(settings: Settings, tmp_path: Path, written: str) -> None:
    keep(settings, "one")
    keep(settings, "two")
    keep(settings, "stranger", number="+4930111")
    out = run_folder(tmp_path, "one", "two", "stranger")
    outcome = purge(settings, order(caller=written, folders=[out]), now=NOW)
    assert (outcome.erased.calls, outcome.files, outcome.rows) == (2, 2, 2)
    with open_store(settings, clock=lambda: NOW) as store:
        assert store.calls_of() == ("stranger",)
        (entry,) = store.audit()
    assert "7654321" not in entry.subject


def test_a_number_without_the_key_is_refused(settings: Settings) -> None:
    without = settings.model_copy(update={"serve": Settings().serve})
    with pytest.raises(ConfigError, match="caller_key"):
        purge(without, order(caller=NUMBER), now=NOW)


def test_a_call_named_by_a_number_leaves_the_tables_for_people_and_the_surveys_too(
    settings: Settings, tmp_path: Path
) -> None:
    """A cell that begins like a formula is written with an apostrophe before it."""
    call_id = "+491701234567-0a1b2c3d"
    out = run_folder(tmp_path, call_id, "other")
    table = (out / "utterances.csv").read_text(encoding="utf-8-sig")
    (out / "utterances.csv").write_text("\ufeff" + table.replace("+49", "'+49"), encoding="utf-8")
    pairs = [{"call_id": one, "estimate": 70.0, "answer": 50.0} for one in (call_id, "other")]
    (out / "surveys.json").write_text(json.dumps({"csi": {"n": 2, "pairs": pairs}, "ces": None, "notes": []}))
    purge(settings, order(call_id=call_id, folders=[out]), now=NOW)
    left = "".join(path.read_text(errors="replace") for path in (*out.glob("*.csv"), *out.glob("*.json")))
    assert "+49" not in left
    assert "other" in left
    assert json.loads((out / "surveys.json").read_text())["csi"] == {"n": 2, "pairs": pairs[1:]}


def test_a_folder_that_is_not_there_is_named_before_anything_is_deleted(settings: Settings, tmp_path: Path) -> None:
    keep(settings, "one")
    with pytest.raises(ConfigError, match="no folder of a run"):
        purge(settings, order(call_id="one", folders=[tmp_path / "gone"]), now=NOW)
    with open_store(settings, clock=lambda: NOW) as store:
        assert store.calls_of() == ("one",)


def voicepipe(*args: object, store: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VOICEPIPE_")}
    command = [sys.executable, "-m", "voicepipe.cli", *map(str, args)]
    environment = kept | {"VOICEPIPE_STORE_URL": store, "COLUMNS": "200"} | variables
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def test_the_command_deletes_and_the_audit_tells_who(settings: Settings) -> None:
    keep(settings, "one")
    looked = voicepipe("purge", "--call-id", "one", "--dry-run", store=settings.store_url)
    assert (looked.returncode, looked.stderr) == (0, "")
    assert looked.stdout.startswith("Would delete: 1 call, 1 utterance, 1 episode, 4 events, 4 unsent")
    done = voicepipe("purge", "--older-than", "1d", "--reason", "spring", store=settings.store_url)
    assert done.stdout.startswith("Deleted: 1 call,")
    assert f"2 tombstones wait in the outbox {settings.store_name}, to go out at the next start with --kafka." in (
        done.stdout
    ), "its events waited for a broker that the settings of the command do not name"
    told = voicepipe("audit", store=settings.store_url)
    (entry,) = [json.loads(line) for line in told.stdout.splitlines()]
    assert (entry["action"], entry["reason"], entry["details"]["calls"]) == ("purge", "spring", 1)
    again = voicepipe("purge", "--call-id", "one", store=settings.store_url).stdout
    assert again == f"Deleted: nothing was kept in {settings.store_name}.\n", "a wrong store must show"


@pytest.mark.parametrize(
    "args", [[], ["--call-id", "a", "--caller", "b"], ["--older-than", "soon"], ["--older-than", "2026-11-21"]]
)
def test_a_command_that_is_not_clear_deletes_nothing(settings: Settings, args: list[str]) -> None:
    assert voicepipe("purge", *args, store=settings.store_url).returncode == 2


def test_a_withdrawal_leaves_no_reroute_behind_but_the_word_that_it_is_over(settings: Settings) -> None:
    courier = Courier(settings, kafka=settings.kafka)
    events = analyze_call(upset((100.0, "withdrawn")), models=models(), config=settings.analysis)
    for event, reroute in tell_reroutes(events, versions=VERSIONS, config=settings.reroute):
        courier.record(event, reroute)
    with open_store(settings, clock=lambda: NOW) as store:
        rows = [row for row in store.events_of("call-1") if row.topic == REROUTE_TOPIC]
        (entry,) = store.audit()
        waiting = store.depth("kafka").pending
    courier._store.close()
    assert [bool(row.body) for row in rows] == [False, True]
    cleared = json.loads(rows[1].body)
    assert cleared["kind"] == "cleared"
    assert cleared["evidence"]["utterances"] == []
    assert cleared["closed_by"] == "consent"
    assert cleared["stress"] == {"stressed_speech_s": 0.0}
    assert cleared["call"]["consent"] == "withdrawn"
    assert waiting == 5, "started, tombstones of reroutes and feedback, cleared, ended"
    assert entry.details["episodes"] == 1
