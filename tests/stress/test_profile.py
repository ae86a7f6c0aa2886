"""Models and profiles on disk: what is checked, what a profile changes in scores, how it is written."""

import shutil
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import calm_reference
from voicepipe.stress.baseline import Baseline
from voicepipe.stress.calibrate import SiteFigures, SiteFit
from voicepipe.stress.calm import CalmKind
from voicepipe.stress.profile import ScoreMap, StressProfile, read_calm_reference, read_profile
from voicepipe.stress.prosody import FEATURES, PROSODY_VERSION
from voicepipe.stress.scorer import OnnxStressScorer
from voicepipe.stress.site_profile import figures_of, warnings_of, write_profile
from voicepipe.types import ConfigError, ModelError, ProsodyFeatures

MODEL_DIR = Path(__file__).resolve().parents[2] / "models" / "stress-4"
MAP = ScoreMap(slope=0.7, intercept=-1.2)
FIGURES = SiteFigures(
    log_loss=0.5,
    calibration_error=0.2,
    auc=0.9,
    calm_called_strange=0.12,
    calm_calls_alarmed=3,
    stressed_calls_alarmed=4,
)
FIT = SiteFit(
    score_map=MAP,
    reference=calm_reference(),
    refitted=(CalmKind.EARLY, CalmKind.READY),
    words_measured=False,
    callers=12,
    calm_calls=7,
    stressed_calls=5,
    calm=200,
    stressed=40,
    before=FIGURES,
    after=replace(FIGURES, log_loss=0.3, calm_calls_alarmed=0),
)
MADE_ON = date(2026, 11, 22)


def write(out: Path, *, name: str = "site", model: StressProfile | None = None) -> Path:
    of = model or read_profile(MODEL_DIR)
    return write_profile(of, FIT, out=out, name=name, labels_sha256="ab" * 32, made_on=MADE_ON)


def test_a_folder_without_a_model_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"manifest\.toml is missing\. Let the setting stress_model name .* leave it out"
    ):
        read_profile(tmp_path)


def test_the_map_is_undone() -> None:
    scores = np.array([1e-5, 0.01, 0.3, 0.5, 0.99])
    assert MAP.undo(MAP.apply(scores)) == pytest.approx(scores)
    assert np.all(np.diff(MAP.apply(scores)) > 0)
    assert ScoreMap().apply([0.25, 0.5]) == pytest.approx([0.25, 0.5])
    assert np.isfinite(MAP.apply([0.0, 1.0])).all()


def test_a_model_is_a_profile_without_a_site() -> None:
    model = read_profile(MODEL_DIR)
    assert (model.model_id, model.site, model.model_dir) == ("stress-4", None, MODEL_DIR)


def test_a_profile_names_itself_and_its_model(tmp_path: Path) -> None:
    profile = read_profile(write(tmp_path / "new" / "profiles"))
    assert profile.model_id == "stress-4+site-1"
    assert profile.site is not None
    assert (profile.site.score_map, profile.site.callers, profile.site.made_on) == (MAP, 12, "2026-11-22")
    assert profile.manifest == read_profile(MODEL_DIR).manifest
    read = profile.calm_reference()
    assert np.array_equal(read.log_slack, FIT.reference.log_slack)
    assert np.array_equal(read.kinds[CalmKind.READY].scores, FIT.reference.kinds[CalmKind.READY].scores)


def test_a_profile_maps_scores_and_leaves_the_baseline_as_it_was(tmp_path: Path) -> None:
    model, profile = OnnxStressScorer(MODEL_DIR), OnnxStressScorer(write(tmp_path))
    assert profile.model_id == "stress-4+site-1"
    rng = np.random.default_rng(0)
    states: list[Baseline] = [model.start(), profile.start()]
    for _ in range(6):
        norm = model.norms.prosody
        voice = ProsodyFeatures(
            values=norm.centre + 2.0 * norm.spread * rng.standard_normal(len(FEATURES)), version=PROSODY_VERSION
        )
        scores = [
            scorer.score(voice, None, speech_s=3.0, baseline=state)
            for scorer, state in zip((model, profile), states, strict=True)
        ]
        assert scores[1].stress == pytest.approx(float(MAP.apply(scores[0].stress)), abs=1e-9)
        for mine, its in zip(scores[1].top_features, scores[0].top_features, strict=True):
            assert mine.deviation == pytest.approx(its.deviation, abs=1e-9)
            assert mine == replace(its, deviation=mine.deviation)
        assert scores[1] == replace(
            scores[0], stress=scores[1].stress, model_id="stress-4+site-1", top_features=scores[1].top_features
        )
        states = [
            scorer.update(state, voice, None, speech_s=3.0, stress=score.stress, frozen=False)
            for scorer, state, score in zip((model, profile), states, scores, strict=True)
        ]
        assert states[1].prosody.location == pytest.approx(states[0].prosody.location, abs=1e-9)


def test_a_profile_never_overwrites_and_versions_do_not_come_back(tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path)
    content = (first / "profile.toml").read_bytes()
    other = write(tmp_path, name="site-b")
    shutil.rmtree(first)
    third = write(tmp_path)
    assert [path.name for path in (first, second, third, other)] == ["site-1", "site-2", "site-3", "site-b-1"]
    assert (third / "profile.toml").read_bytes() == content.replace(b"version = 1", b"version = 3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site-2", "site-3", "site-b-1"]


def test_a_profile_holds_the_model_itself_whatever_it_was_made_from(tmp_path: Path) -> None:
    first = read_profile(write(tmp_path))
    again = read_profile(write(tmp_path, model=read_profile(first.model_dir)))
    assert again.model_id == "stress-4+site-2"
    for name in ("manifest.toml", "model.onnx", "norms.npz", "calm.npz"):
        assert (again.model_dir / name).read_bytes() == (MODEL_DIR / name).read_bytes()


def test_a_profile_says_what_it_rests_on(tmp_path: Path) -> None:
    folder = write(tmp_path)
    told = tomllib.loads((folder / "profile.toml").read_text(encoding="utf-8"))
    assert (told["model_id"], told["labels_sha256"], told["refitted"]) == ("stress-4", "ab" * 32, ["early", "ready"])
    assert told["before"]["log_loss"] == 0.5
    assert told["after_on_unseen_callers"]["calm_calls_alarmed"] == 0
    card = (folder / "card.md").read_text(encoding="utf-8")
    assert "# stress-4+site-1" in card
    assert "12 callers, 7 calm calls and 5 with stress, 200 calm and 40 stressed utterances" in card
    assert "calm calls alarmed, of 7 | 3 | 0 |" in card


def test_what_is_doubtful_is_said() -> None:
    assert warnings_of(FIT) == ()
    assert "3 callers, too few" in warnings_of(replace(FIT, callers=3))[0]
    assert "no better" in warnings_of(replace(FIT, after=FIGURES))[0]
    assert "no better" in warnings_of(replace(FIT, after=replace(FIT.after, calm_calls_alarmed=4)))[0]
    assert "false alarms" in warnings_of(replace(FIT, calm_calls=0))[0]
    assert len(figures_of(FIT)) == 6


@pytest.mark.parametrize("name", ["", "../site", "a b", "-x", 'x"', "x" * 41, "new\nline"])
def test_names_that_are_no_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no name for a profile"):
        write(tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="--out"):
        write(tmp_path / "file" / "profiles")


@pytest.mark.parametrize(
    "file", ["calm.npz", "model/manifest.toml", "model/model.onnx", "model/norms.npz", "model/calm.npz"]
)
@pytest.mark.parametrize("gone", [True, False])
def test_a_profile_that_was_changed_is_refused(file: str, gone: bool, tmp_path: Path) -> None:
    folder = write(tmp_path)
    if gone:
        (folder / file).unlink()
    else:
        with (folder / file).open("ab") as held:
            held.write(b"# more")
    with pytest.raises(ModelError, match=file.rpartition("/")[2]):
        OnnxStressScorer(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "format 2"),
        ("slope = 0.7", "slope = 0.0", "slope"),
        ("slope = 0.7", "slope = nan", "slope"),
        ("intercept = -1.2", "intercept = inf", "slope"),
        ("slope = 0.7", "sloop = 0.7", "damaged"),
        ("slope = 0.7", 'slope = "steep"', "damaged"),
        ("[score_map]", "[score_map", "cannot be read"),
        ('model_id = "stress-4"', 'model_id = "stress-0"', "stress-0"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path) / "profile.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        read_profile(path.parent)


def test_a_calm_reference_of_another_model_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "stress-4"
    shutil.copytree(MODEL_DIR, model)
    with (model / "calm.npz").open("wb") as calm:
        calm_reference().save(calm)
    with pytest.raises(ModelError, match=r"calm\.npz is not the file"):
        OnnxStressScorer(model)


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04 and no more"])
def test_a_calm_reference_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "calm.npz").write_bytes(content)
    with pytest.raises(ModelError, match=r"calm\.npz cannot be read"):
        read_calm_reference(tmp_path)
