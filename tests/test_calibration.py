"""From labelled recordings to a profile: what is refused before the work, what is heard, what is written."""

import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import voicepipe
from tests import synth
from tests.fakes import FakeDetector, FakeScorer, FakeTranscriber, calm_reference
from tests.stress.test_profile import FIT as SITE_FIT
from voicepipe.calibration import Calibrated, CalibrateOptions, calibrate, hear_labelled, report
from voicepipe.config import Settings
from voicepipe.gateways.files import FileSource
from voicepipe.pipeline.call import Models
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.speech import weights
from voicepipe.stress import slack
from voicepipe.stress.labels import LabelError, read_labels
from voicepipe.stress.profile import read_profile
from voicepipe.stress.site_profile import write_profile
from voicepipe.types import ConfigError, ModelError, ScoredUtterance, StressScore

RATE_HZ = 8_000
SAMPLES = Path(voicepipe.__file__).parent / "samples"
HEADER = "path,channel,start_s,end_s,label"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with a recording of 10 s of one side each, and one of one track."""
    beeps = np.concatenate([synth.tone(1.0, rate_hz=RATE_HZ), np.zeros(RATE_HZ, np.float32)] * 5)
    silent = np.zeros_like(beeps)
    synth.write_recording(tmp_path / "two.wav", np.stack([beeps, silent]), rate_hz=RATE_HZ, codec="pcm_s16le")
    synth.write_recording(tmp_path / "one.wav", beeps[None], rate_hz=RATE_HZ, codec="pcm_s16le")
    (tmp_path / "text.wav").write_text("no sound")
    return tmp_path


def run(
    site: Path, rows: Sequence[str], *, settings: Settings | None = None, name: str = "site", out: Path | None = None
) -> Calibrated:
    path = site / "labels.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return calibrate(
        path,
        settings=settings or Settings(cache_dir=site / "no weights"),
        options=CalibrateOptions(out=out or site / "profiles", name=name),
        say=lambda line: None,
    )


GOOD = ["two.wav,caller,0,4,calm", "one.wav,mixed,4,8,stressed"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("two.wav,caller,8,10.3,calm", r"Line 4: 8 to 10.3 s lies outside two\.wav, which is 10\.0 s long"),
        ("one.wav,mixed,20,30,calm", r"Line 4: 20 to 30 s lies outside one\.wav"),
        ("one.wav,caller,8,9,calm", r"Line 4: one\.wav has one track"),
        ("two.wav,mixed,8,9,calm", r"Line 4: two\.wav has two tracks"),
        ("text.wav,mixed,8,9,calm", r"Line 4: .*text\.wav"),
        ("three.wav,mixed,8,9,calm", r"Line 4: there is no recording 'three\.wav'"),
        ("two.wav,caller,3,5,calm", r"Line 4: overlaps with line 2"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(site: Path, row: str, said: str) -> None:
    with pytest.raises(LabelError, match=said):
        run(site, [*GOOD, row])


def test_a_label_may_end_with_the_recording_or_a_moment_after(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICEPIPE_CACHE_DIR", raising=False)
    with pytest.raises(ModelError, match="voicepipe models pull"):  # all is well up to where weights are needed
        run(site, [*GOOD, "two.wav,caller,8,10.05,calm"])


def test_labels_that_are_no_text_are_refused(site: Path) -> None:
    path = site / "labels.csv"
    path.write_bytes(b"\xff\xfe\x00")
    for one in (path, site / "gone.csv"):
        with pytest.raises(LabelError, match="cannot be read"):
            calibrate(one, settings=Settings(), options=CalibrateOptions(out=site), say=lambda line: None)


def test_names_and_places_are_refused_before_the_work(site: Path) -> None:
    with pytest.raises(ConfigError, match="no name"):
        run(site, GOOD, name="a/b")
    with pytest.raises(ModelError, match="--out"):
        run(site, GOOD, out=site / "one.wav")


def test_voices_that_may_not_be_analysed_are_not(site: Path) -> None:
    settings = Settings(analysis={"consent": {"when_unknown": "transcript_only"}})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"consent .* two\.wav"):
        run(site, GOOD, settings=settings)


def test_a_call_is_heard_with_and_without_the_encoder(site: Path) -> None:
    rows = ["two.wav,caller,0,4,calm", "two.wav,caller,4,8,stressed", "two.wav,caller,9.6,9.9,stressed"]
    labels = read_labels([HEADER + "\n", *(f"{row}\n" for row in rows)], is_recording=lambda path: True)
    models = Models(detector=FakeDetector(), transcriber=FakeTranscriber(), scorer=_EvenScorer(), calm=calm_reference())
    source = FileSource(site / "two.wav", caller_channel="left")
    call, unheard = hear_labelled(source, labels, models=models, config=AnalysisConfig())
    assert call.caller == "two.wav"
    assert call.stressed
    assert [(one.stressed, one.score.with_embedding) for one in call.scores] == [
        (stressed, with_embedding) for with_embedding in (True, False) for stressed in (False, False, True, True)
    ]
    assert len(call.utterances) == 5
    assert all(one.score is not None and one.score.with_embedding for one in call.utterances)
    assert unheard == [4]


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class _EvenScorer(FakeScorer):
    """A scorer that finds everything a little stressed."""

    def score(self, *args: object, **of: object) -> StressScore:
        return replace(super().score(*args, **of), stress=0.2)  # type: ignore[arg-type]


@pytest.mark.slow
def test_samples_become_a_profile_that_is_loaded_and_named(
    tmp_path: Path, whisper_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicepipe.service import Listener

    monkeypatch.setattr(slack, "SIMULATED_CALLS", 600)
    monkeypatch.setattr(weights, "locate", lambda name, place: whisper_dir)
    rows = []
    for i in range(2):
        for name in ("calm", "upset"):
            path = tmp_path / f"{name}{i}.wav"
            path.write_bytes((SAMPLES / f"{name}_caller.wav").read_bytes())
            onset_s = 69.0 if name == "calm" else 35.0
            rows.append(f"{path.name},caller,0,{onset_s},calm")
            if name == "upset":
                rows.append(f"{path.name},caller,{onset_s},87,stressed")
    made = run(tmp_path, rows)
    shown = Console(width=100, file=io.StringIO())
    shown.print(report(made))
    assert "Fitted to 4 callers, 2 calm calls and 2 with stress" in _text(shown)
    assert "calls with stress alarmed, of 2" in _text(shown)
    folder = tmp_path / "profiles" / "site-1"
    assert made.setting == f'stress_model = "{folder}"'
    assert read_profile(folder).model_id == "stress-4+site-1"
    listener = Listener(Settings(stress_model=folder))
    assert listener.versions.model == "stress-4+site-1"
    story = list(listener.listen(FileSource(tmp_path / "upset0.wav", caller_channel="left").events()))
    scores = [event.score for event, _ in story if isinstance(event, ScoredUtterance) and event.score]
    assert {score.model_id for score in scores} == {"stress-4+site-1"}
    assert {reroute.versions.model for _, reroute in story if reroute} <= {"stress-4+site-1"}


def test_the_command_says_what_is_wrong_in_one_sentence(site: Path) -> None:
    (site / "labels.csv").write_text("\n".join([HEADER, *GOOD, "two.wav,agent,8,9,calm"]), encoding="utf-8")
    command = [sys.executable, "-m", "voicepipe.cli", "calibrate", str(site / "labels.csv"), "--out", str(site / "out")]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert failed.returncode == 1
    assert failed.stderr == "voicepipe: Line 4: the channel 'agent' is neither caller nor mixed.\n"


def test_a_profile_is_shown_by_name_where_models_are_listed(tmp_path: Path) -> None:
    from voicepipe.doctor import model_table, verify_models

    folder = write_profile(
        read_profile(Settings().stress_model),
        SITE_FIT,
        out=tmp_path,
        name="north",
        labels_sha256="",
        made_on=date(2026, 1, 2),
    )
    settings = Settings(stress_model=folder, cache_dir=tmp_path)
    shown = Console(width=200, file=io.StringIO())
    shown.print(model_table(settings))
    assert "stress stress-4+north-1" in _text(shown)
    said: list[str] = []
    verify_models(settings, say=said.append)
    assert "stress model: ok: stress-4+north-1, profile of stress-4, 12 callers, 2026-01-02" in "\n".join(said)
    (folder / "calm.npz").write_bytes(b"")
    said.clear()
    assert not verify_models(settings, say=said.append)
    assert "voicepipe calibrate" in "\n".join(said)
    shown.print(model_table(settings))
    assert "no: voicepipe models verify" in _text(shown)
