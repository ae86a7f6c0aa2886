"""The command line as its users run it: processes, exit codes, standard output and standard error."""

import io
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console
from typer import BadParameter

from tests import synth
from tests.events.calls import make_reroute
from voicepipe.cli.app import moment
from voicepipe.config import Settings
from voicepipe.doctor import Verdict, examine, verify_models
from voicepipe.events import kafka_connection
from voicepipe.events.config import KafkaConfig
from voicepipe.events.kafka_connection import KafkaHealth
from voicepipe.packaged import PACKAGE, packaged
from voicepipe.speech.intent import IntentConfig
from voicepipe.speech.words import WordsConfig
from voicepipe.terminal import alert_card
from voicepipe.types import EpisodeState

RATE_HZ = 8_000
CALM = PACKAGE / "samples" / "calm_caller.wav"
UPSET = PACKAGE / "samples" / "upset_caller.wav"


def environment_in(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VOICEPIPE_")}
    return kept | {"VOICEPIPE_STORE_URL": f"sqlite:///{folder}/store.sqlite", "COLUMNS": "200"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a store of the test's own and the user's cache of weights."""
    return environment_in(tmp_path)


@pytest.fixture
def weighted(environment: dict[str, str], whisper_dir: Path) -> dict[str, str]:
    """Return an environment in which the Whisper weights are there."""
    return environment | {"VOICEPIPE_CACHE_DIR": str(whisper_dir.parents[1])}


def voicepipe(*args: object, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "voicepipe.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def one_sentence(stderr: str, *names: str) -> str:
    """Return the only line on standard error, which has no traceback and names everything given."""
    sentences = stderr.strip().splitlines()
    assert len(sentences) == 1, stderr
    for name in names:
        assert name in sentences[0]
    return sentences[0]


# Quick: nothing is loaded.


def children_cpu_s() -> float:
    """Return the CPU time of all processes that were started here and have ended, in seconds."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def loaded_by(program: str) -> set[str]:
    """Return the packages that a program of Python has loaded at its end."""
    told = "\nimport json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", program + told], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_and_help_are_quick() -> None:
    """What takes long is not loaded before it is needed: a count that no busy machine changes."""
    assert loaded_by("import voicepipe") - loaded_by("") == {"voicepipe"}
    slow = {"av", "ctranslate2", "faster_whisper", "huggingface_hub", "jinja2", "kafka", "onnxruntime", "pyarrow"}
    slow |= {"pydantic_settings", "scipy", "soundfile", "soxr", "sqlalchemy", "starlette", "uvicorn", "websockets"}
    shown = "from voicepipe.cli import app\ntry:\n    app(['--help'])\nexcept SystemExit:\n    pass"
    loaded = loaded_by(shown)
    assert "typer" in loaded
    assert not loaded & slow


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted on Linux")
def test_numpy_starts_no_threads_unless_told_to() -> None:
    program = (
        "import os, voicepipe.cli, numpy as np; square = np.ones((700, 700), np.float32); square @ square; "
        "print(len(os.listdir('/proc/self/task')))"
    )
    unset = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    two = str(min(2, os.cpu_count() or 1))
    for environment, threads in ((unset, "1"), (unset | {"OMP_NUM_THREADS": "2"}, two)):
        done = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
        )
        assert done.stdout.strip() == threads


def test_help_and_version(environment: dict[str, str]) -> None:
    shown = voicepipe("--help", env=environment)
    assert shown.returncode == 0
    for command in ("score", "models", "schema", "doctor", "demo"):
        assert command in shown.stdout
    assert voicepipe("--version", env=environment).stdout.startswith("voicepipe ")


@pytest.mark.parametrize(
    "args",
    [
        ["score"],
        ["scrore", "a.wav"],
        ["score", "a.wav", "--format", "xml"],
        ["score", "a.wav", "--language", "klingon"],
        ["schema", "voicepipe.nothing.v1"],
        ["score", "a.wav", "--out", "o", "--ray-address", "10.0.0.9:6379"],
    ],
)
def test_misuse_exits_with_2(args: list[str], environment: dict[str, str]) -> None:
    misused = voicepipe(*args, env=environment)
    assert misused.returncode == 2
    assert misused.stderr
    assert "Traceback" not in misused.stderr


@pytest.mark.parametrize("text", ["90m", "7d", "2026-11-21T08:00+00:00"])
def test_a_time_is_read(text: str) -> None:
    assert moment(text) < datetime.now(tz=UTC)


@pytest.mark.parametrize("text", ["999999d", "yesterday", "2026-11-21", "0001-01-01T00:00+12:00", "-1d", ""])
def test_a_time_that_is_none_is_misuse(text: str) -> None:
    with pytest.raises(BadParameter, match="is no time; give 90m"):
        moment(text)


def test_a_verdict_takes_the_broker_before_and_behind_it_and_helps_without(environment: dict[str, str]) -> None:
    assert "EVENT_ID" in voicepipe("alerts", "verdict", "--help", env=environment).stdout
    broker, verdict = ("--kafka", "127.0.0.1:1"), ("verdict", "9ed45675", "justified")
    for args in (("alerts", *broker, *verdict), ("alerts", *verdict, *broker)):
        failed = voicepipe(*args, env=environment)
        assert failed.returncode == 1
        one_sentence(failed.stderr, "127.0.0.1:1 cannot be reached")


def test_an_all_clear_is_not_laid_out_like_an_alert() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(alert_card(make_reroute()), alert_card(make_reroute(EpisodeState.CLOSED)))
    alert, over = console.export_text().split("reroute.cleared.v1")
    assert "asks for  senior_agent" in alert
    assert "no longer asks for senior_agent: " in over
    assert "urgency" not in over
    assert "handoff" not in over


def test_a_user_without_a_name_may_purge(environment: dict[str, str], tmp_path: Path) -> None:
    nameless = {name: value for name, value in environment.items() if name not in {"LOGNAME", "USER", "LNAME"}}
    script = tmp_path / "sitecustomize.py"
    script.write_text("import pwd\ndef gone(uid):\n    raise KeyError(uid)\npwd.getpwuid = gone\n")
    nameless = {name: value for name, value in nameless.items() if name != "USERNAME"} | {"PYTHONPATH": str(tmp_path)}
    purged = voicepipe("purge", "--call-id", "c-1", env=nameless)
    assert (purged.returncode, purged.stderr) == (0, "")
    assert json.loads(voicepipe("audit", env=nameless).stdout)["actor"] == f"uid {os.getuid()}"


def test_a_setting_that_is_wrong_is_one_sentence(tmp_path: Path, environment: dict[str, str]) -> None:
    path = tmp_path / "site.toml"
    path.write_text("[analysis]\ntranscribe_agents = false\n")
    failed = voicepipe("doctor", "--config", path, env=environment)
    assert failed.returncode == 1
    one_sentence(failed.stderr, str(path), "analysis.transcribe_agents")


def test_schemas_are_printed(environment: dict[str, str]) -> None:
    listed = voicepipe("schema", env=environment).stdout.split()
    assert {"voicepipe.reroute.v1", "voicepipe.feedback.v1"} < set(listed)
    for topic in listed:
        assert json.loads(voicepipe("schema", topic, env=environment).stdout)["title"] == topic


def test_without_weights_it_says_what_to_do(tmp_path: Path, environment: dict[str, str]) -> None:
    env = environment | {"VOICEPIPE_CACHE_DIR": str(tmp_path / "empty")}
    failed = voicepipe("score", CALM, env=env)
    assert failed.returncode == 1
    one_sentence(failed.stderr, "voicepipe models pull")
    seen = voicepipe("doctor", env=env)
    assert seen.returncode == 1
    assert "voicepipe models pull" in seen.stdout
    assert voicepipe("models", "verify", env=env).returncode == 1
    assert "voicepipe models pull" in voicepipe("models", "list", env=env).stdout.replace("\n", " ")


# Slow: with the real models.


SCORE_UPSET = ("score", UPSET, "--format", "jsonl", "--caller-channel", "left")


@pytest.fixture(scope="module")
def upset(whisper_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    """Return what scoring the sample with the upset caller prints."""
    env = environment_in(tmp_path_factory.mktemp("upset")) | {"VOICEPIPE_CACHE_DIR": str(whisper_dir.parents[1])}
    return voicepipe(*SCORE_UPSET, env=env)


@pytest.mark.slow
def test_the_upset_caller_is_heard(upset: "subprocess.CompletedProcess[str]") -> None:
    done = upset
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = json_lines(done.stdout)
    call = lines[-1]
    assert call["type"] == "call"
    assert (call["roles"], call["channels"], call["language"]) == ("given", ["caller", "agent"], "en")
    assert (call["coverage"], call["error"]) == (1.0, None)
    assert call["duration_s"] == pytest.approx(soundfile.info(UPSET).duration, abs=0.01)
    times = [line["start_s"] if line["type"] == "utterance" else line["at_s"] for line in lines[:-1]]
    assert times == sorted(times)
    utterances = [line for line in lines if line["type"] == "utterance"]
    agent = [line for line in utterances if line["channel"] == "agent"]
    assert agent
    for field in ("stress", "arousal", "valence", "emotions", "confidence", "baseline_ready", "top_features"):
        assert {str(line[field]) for line in agent} == {"None"}, field
    text = " ".join(line["text"] for line in utterances).lower()
    for word in ("website", "electricity", "children", "money"):
        assert word in text
    episodes = [line for line in lines if line["type"] == "episode"]
    assert [line["state"] for line in episodes] == ["opened", "closed"]
    reroutes = [line for line in lines if line["type"] == "reroute"]
    assert [line["kind"] for line in reroutes] == ["requested", "cleared"]
    assert reroutes[0]["reasons"] == ["stress_persisted"]
    assert reroutes[0]["at_s"] < call["duration_s"] - 5


@pytest.mark.slow
def test_his_calm_twin_raises_nothing(weighted: dict[str, str]) -> None:
    done = voicepipe("score", CALM, "--format", "jsonl", env=weighted)
    assert done.returncode == 0, done.stderr
    lines = json_lines(done.stdout)
    assert {line["type"] for line in lines} == {"utterance", "call"}
    assert lines[-1]["roles"] == "assumed"


@pytest.mark.slow
def test_the_same_call_gives_the_same_bytes(
    upset: "subprocess.CompletedProcess[str]", weighted: dict[str, str]
) -> None:
    assert upset.stdout
    assert voicepipe(*SCORE_UPSET, env=weighted).stdout == upset.stdout


@pytest.mark.slow
def test_a_mono_recording_has_one_mixed_channel_and_unknown_roles(tmp_path: Path, weighted: dict[str, str]) -> None:
    samples, rate_hz = soundfile.read(CALM)
    mono = tmp_path / "mono.flac"
    soundfile.write(mono, samples.sum(axis=1)[: 20 * rate_hz], rate_hz)
    done = voicepipe("score", mono, "--format", "jsonl", "--language", "en", env=weighted)
    assert done.returncode == 0, done.stderr
    lines = json_lines(done.stdout)
    assert (lines[-1]["roles"], lines[-1]["channels"]) == ("unknown", ["mixed"])
    scored = [line for line in lines if line["type"] == "utterance"]
    assert {line["channel"] for line in scored} == {"mixed"}
    assert all(line["stress"] is not None for line in scored)


@pytest.mark.slow
def test_the_caller_can_be_on_the_right(tmp_path: Path, weighted: dict[str, str]) -> None:
    samples, rate_hz = soundfile.read(CALM)
    turned = tmp_path / "turned.wav"
    soundfile.write(turned, samples[: 20 * rate_hz, ::-1], rate_hz, subtype="ALAW")
    done = voicepipe("score", turned, "--format", "jsonl", "--caller-channel", "right", env=weighted)
    lines = json_lines(done.stdout)
    assert lines[-1]["channels"] == ["agent", "caller"]
    assert lines[0]["channel"] == "agent", "the agent speaks first in this call"


@pytest.mark.slow
def test_bad_recordings_harm_no_other(tmp_path: Path, weighted: dict[str, str]) -> None:
    rng = np.random.default_rng(1)
    samples, rate_hz = soundfile.read(CALM)
    speech = samples[: 8 * rate_hz]
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "empty.wav").touch()
    (folder / "letter.wav").write_text("Dear Sir or Madam,\n" * 50)
    soundfile.write(folder / "six.wav", rng.normal(0, 0.1, (rate_hz, 6)), rate_hz)
    whole = synth.write_recording(tmp_path / "whole.mp3", speech.T.astype(np.float32), rate_hz=rate_hz, codec="mp3")
    (folder / "cut.mp3").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    soundfile.write(folder / "short.wav", speech[: rate_hz // 10], rate_hz)
    broken = speech.astype(np.float32)
    broken[1000:1200] = np.nan
    broken[5000] = np.inf
    soundfile.write(folder / "nan.wav", broken, rate_hz, subtype="FLOAT")
    soundfile.write(folder / "dc.wav", np.clip(speech * 0.5 + 0.4, -1, 1), rate_hz)
    soundfile.write(folder / "clipped.wav", np.clip(speech * 30, -1, 1), rate_hz)
    soundfile.write(folder / "good.wav", speech, rate_hz)
    gone = folder / "gone.wav"

    done = voicepipe("score", folder, gone, "--format", "jsonl", "--language", "en", env=weighted)
    assert done.returncode == 1
    sentences = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    for name in ("empty.wav", "letter.wav", "six.wav", "gone.wav", "cut.mp3"):
        assert len([sentence for sentence in sentences if name in sentence]) == 1, (name, done.stderr)
    assert len(sentences) == 5, done.stderr
    calls = {Path(line["path"]).name: line for line in json_lines(done.stdout) if line["type"] == "call"}
    assert set(calls) == {path.name for path in folder.iterdir()} | {"gone.wav"}
    for name in ("short.wav", "nan.wav", "dc.wav", "clipped.wav", "good.wav"):
        assert calls[name]["error"] is None, name
        assert calls[name]["duration_s"] > 0
    assert calls["cut.mp3"]["error"]
    assert 2 < calls["cut.mp3"]["duration_s"] < 6, "what decodes is scored"
    words = [line for line in json_lines(done.stdout) if line["type"] == "utterance" and line["text"]]
    for name in ("nan.wav", "dc.wav", "clipped.wav", "good.wav", "cut.mp3"):
        assert [line for line in words if line["call_id"] == calls[name]["call_id"]], name


@pytest.mark.slow
def test_an_hour_of_silence_is_quick_and_says_nothing(tmp_path: Path, weighted: dict[str, str]) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros((3600 * RATE_HZ, 2), np.int16), RATE_HZ, subtype="ULAW")
    before_s = children_cpu_s()
    done = voicepipe("score", path, "--format", "jsonl", env=weighted)
    assert done.returncode == 0, done.stderr
    (call,) = json_lines(done.stdout)
    assert (call["duration_s"], call["language"], call["coverage"]) == (3600.0, None, 1.0)
    assert children_cpu_s() - before_s < 60, "of processor time: other work on the machine does not count"


@pytest.mark.slow
def test_out_gets_a_file_a_call_and_the_terminal_a_line(tmp_path: Path, weighted: dict[str, str]) -> None:
    out = tmp_path / "out"
    done = voicepipe("score", CALM, "--out", out, env=weighted)
    assert done.returncode == 0, done.stderr
    (written,) = (out / "calls").iterdir()
    assert {path.name for path in out.glob("*.parquet")} == {
        f"{name}.parquet" for name in ("calls", "utterances", "episodes", "agents", "errors")
    }
    lines = json_lines(written.read_text(encoding="utf-8"))
    assert written.name == f"{lines[-1]['call_id']}.jsonl"
    assert len(done.stdout.strip().splitlines()) == 1
    assert "no reroute" in done.stdout
    blocked = tmp_path / "file"
    blocked.touch()
    failed = voicepipe("score", CALM, "--out", blocked, env=weighted)
    assert failed.returncode == 1
    one_sentence(failed.stderr, str(blocked))


@pytest.mark.slow
def test_weights_with_a_wrong_hash_are_named(tmp_path: Path, weighted: dict[str, str], whisper_dir: Path) -> None:
    copy = tmp_path / "cache" / "whisper" / "base"
    copy.mkdir(parents=True)
    for file in whisper_dir.iterdir():
        (copy / file.name).symlink_to(file)
    text = (whisper_dir / "config.json").read_bytes()
    (copy / "config.json").unlink()
    (copy / "config.json").write_bytes(text[:-1] + b" ")
    env = weighted | {"VOICEPIPE_CACHE_DIR": str(tmp_path / "cache")}
    failed = voicepipe("models", "verify", env=env)
    assert failed.returncode == 1
    assert "config.json has SHA-256" in failed.stdout
    assert "voicepipe models pull" in failed.stdout
    assert voicepipe("doctor", env=env).returncode == 1


@pytest.mark.parametrize(("creates", "verdict"), [(True, Verdict.FINE), (False, Verdict.BROKEN)])
def test_doctor_knows_that_nothing_leaves_without_every_topic(
    monkeypatch: pytest.MonkeyPatch, creates: bool, verdict: Verdict
) -> None:
    def cluster(config: KafkaConfig, *, topics: Sequence[str]) -> KafkaHealth:
        return KafkaHealth(brokers=3, topics={topic: None if "feedback" in topic else 6 for topic in topics})

    monkeypatch.setattr(kafka_connection, "check_kafka", cluster)
    (finding,) = [one for one in examine(Settings(kafka=KafkaConfig(create_topics=creates))) if one.thing == "Kafka"]
    assert finding.verdict is verdict
    assert "voicepipe.feedback.v1 missing" in finding.detail


@pytest.mark.slow
def test_doctor_is_content_when_all_is_there(weighted: dict[str, str]) -> None:
    seen = voicepipe("doctor", env=weighted)
    assert seen.returncode == 0, seen.stdout
    for fact in (
        "every hash verified",
        "MIT",
        "research and evaluation",
        "intent-1",
        "frustration-1",
        "no broker in the settings",
    ):
        assert fact in seen.stdout.replace("\n", " "), fact
    assert voicepipe("models", "verify", env=weighted).returncode == 0


def test_a_stress_model_that_is_not_there_gets_one_advice(tmp_path: Path) -> None:
    said: list[str] = []
    assert not verify_models(Settings(stress_model=tmp_path / "stress-9", cache_dir=tmp_path), say=said.append)
    (line,) = [line for line in said if "stress-9" in line]
    assert "Let the setting stress_model name" in line
    assert "train_stress" not in line


def test_a_damaged_model_of_words_is_found_and_the_rules_alone_need_none(tmp_path: Path) -> None:
    damaged = tmp_path / "intent-9"
    shutil.copytree(packaged("models") / "intent-1", damaged)
    (damaged / "weights.npz").write_bytes(b"not what the manifest names")
    settings = Settings(words=WordsConfig(intent=IntentConfig(model=damaged)), cache_dir=tmp_path)
    said: list[str] = []
    assert not verify_models(settings, say=said.append)
    assert any(f"weights.npz in {damaged} is not the file" in line for line in said)
    assert any(line.startswith("frustration model: ok: frustration-1") for line in said)
    assert not any("intent-9" in line for line in verdicts_without_requests(settings))


def verdicts_without_requests(settings: Settings) -> list[str]:
    """Return what `verify_models` says where requests are left to the rules."""
    said: list[str] = []
    rules = WordsConfig(intent=IntentConfig(model=settings.words.intent.model, rules_only=True))
    verify_models(settings.model_copy(update={"words": rules}), say=said.append)
    return said
