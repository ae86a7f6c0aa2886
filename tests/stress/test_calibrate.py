"""Labels of a site: what is refused, what is fitted, what is written."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import calm_reference
from voicepipe.stress.calibrate import (
    Label,
    LabelError,
    LabelledScore,
    ScoreMap,
    SiteFit,
    fit_site,
    labelled,
    read_labels,
    write_profile,
)
from voicepipe.stress.calm import CalmKind, CalmReference
from voicepipe.types import Channel, ScoredUtterance, StressScore

HEADER = "path,channel,start_s,end_s,label"
GOOD = [HEADER, "a.wav,caller,0,10,calm", "a.wav,caller,10,20,stressed", "b.wav,mixed,5.5,8,calm"]


def read(lines: list[str]) -> tuple[Label, ...]:
    return read_labels(lines, is_recording=lambda path: path in {"a.wav", "b.wav"})


def score(stress: float, *, ready: bool = True) -> StressScore:
    return StressScore(
        stress=stress,
        arousal=0.0,
        valence=0.0,
        emotions={},
        confidence=1.0,
        model_id="fake",
        baseline_ready=ready,
    )


def site(*, callers: int = 30, each: int = 30, seed: int = 0) -> list[LabelledScore]:
    """Return scores that are too high by 1.5 in the logit and too sure by half, of callers who differ."""
    rng = np.random.default_rng(seed)
    found = []
    for caller in range(callers):
        offset = 0.4 * rng.standard_normal()
        for _ in range(each):
            stressed = bool(rng.random() < 0.25)
            true = (1.5 if stressed else -1.5) + offset + rng.standard_normal()
            shown = 1.0 / (1.0 + np.exp(-(1.5 * true + 1.5)))
            found.append(
                LabelledScore(caller=f"caller{caller}", score=score(shown, ready=rng.random() < 0.8), stressed=stressed)
            )
    return found


def test_labels_are_read_with_their_lines() -> None:
    labels = read(GOOD)
    assert [label.line for label in labels] == [2, 3, 4]
    assert labels[1] == Label(line=3, path="a.wav", channel=Channel.CALLER, start_s=10.0, end_s=20.0, stressed=True)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["path,channel,start_s,label"], "Line 1: the column end_s"),
        ([], "Line 1: the column path"),
        ([HEADER], "no labels"),
        ([*GOOD, "a.wav,caller,1,2,angry"], "Line 5: the label 'angry'"),
        ([*GOOD, "a.wav,agent,30,32,calm"], "Line 5: the channel 'agent'"),
        ([*GOOD, "a.wav,caller,x,2,calm"], "Line 5: 'x' to '2' is no time"),
        ([*GOOD, "a.wav,caller,30,30,calm"], "Line 5: 30 to 30 s"),
        ([*GOOD, "a.wav,caller,30,inf,calm"], "Line 5: 30 to inf s"),
        ([*GOOD, "a.wav,caller,-1,3,calm"], "Line 5: -1 to 3 s"),
        ([*GOOD, "a.wav,caller,30,nan,calm"], "Line 5: 30 to nan s"),
        ([*GOOD, "c.wav,caller,1,2,calm"], "Line 5: there is no recording 'c.wav'"),
        ([*GOOD, "a.wav,caller,9.5,9.8,calm"], "Line 5: overlaps with line 2 in a.wav"),
        ([*GOOD, "a.wav,caller,25"], "Line 5: the label ''"),
        (GOOD[:2], "only calm ones"),
        ([HEADER, GOOD[2]], "only stressed ones"),
    ],
)
def test_bad_labels_are_refused_with_their_line(lines: list[str], said: str) -> None:
    with pytest.raises(LabelError, match=said):
        read(lines)


def test_the_other_track_may_overlap() -> None:
    assert len(read([*GOOD, "b.wav,caller,6,7,calm"])) == 4


def test_an_utterance_gets_the_label_that_holds_most_of_it() -> None:
    labels = [label for label in read(GOOD) if label.path == "a.wav"]

    def utterance(start_s: float, end_s: float, channel: Channel = Channel.CALLER) -> ScoredUtterance:
        return ScoredUtterance(
            call_id="call",
            channel=channel,
            index=0,
            start_s=start_s,
            end_s=end_s,
            decided_s=end_s,
            speech_s=end_s - start_s,
            transcript=None,
            score=None if channel is Channel.AGENT else score(0.5),
        )

    said = [
        utterance(2.0, 5.0),
        utterance(9.0, 14.0),
        utterance(17.0, 24.0),
        utterance(2.0, 5.0, Channel.AGENT),
    ]
    assert [one.stressed for one in labelled(said, labels, caller="a")] == [False, True]


@pytest.mark.slow
def test_a_site_is_fitted_and_judged_on_callers_not_seen() -> None:
    fit = fit_site(site(), reference=calm_reference())
    assert fit.score_map.intercept < -0.4
    assert fit.score_map.slope > 0.5
    assert fit.after.log_loss < fit.before.log_loss
    assert fit.after.calibration_error < 0.06 < fit.before.calibration_error
    assert abs(fit.after.calm_called_strange - 0.05) < abs(fit.before.calm_called_strange - 0.05)
    assert fit.callers == 30
    assert fit.calm + fit.stressed == 900
    assert fit.refitted == (CalmKind.EARLY, CalmKind.READY)
    assert fit.reference.kinds[CalmKind.READY].callers == 30
    assert fit.reference.kinds[CalmKind.READY_PROSODY].callers == calm_reference().kinds[CalmKind.READY].callers


def test_the_map_keeps_the_order_and_few_labels_hardly_move_it() -> None:
    backwards = ScoreMap.fit(np.linspace(0.05, 0.95, 100), np.arange(100) < 50)
    assert np.all(np.diff(backwards.apply(np.linspace(0, 1, 200))) >= 0)
    few = ScoreMap.fit(np.array([0.9, 0.8]), np.array([False, False]))
    assert few.slope == pytest.approx(1.0, abs=0.35)
    assert few.intercept == pytest.approx(0.0, abs=0.35)
    assert ScoreMap().apply([0.25, 0.5]) == pytest.approx([0.25, 0.5])


def test_too_few_labels_are_refused() -> None:
    scores = site(callers=10, each=10)
    calm = [one for one in scores if not one.stressed]
    stressed = [one for one in scores if one.stressed]
    for some in (calm, [*calm[:29], *stressed], [one for one in scores if one.caller == "caller1"]):
        with pytest.raises(LabelError, match="at least 30 calm"):
            fit_site(some, reference=calm_reference())


@pytest.mark.slow
def test_a_profile_never_overwrites(tmp_path: Path) -> None:
    model = tmp_path / "stress-base-1"
    model.mkdir()
    (model / "model.onnx").write_bytes(b"network")
    (model / "calm.npz").write_bytes(b"old")
    (model / "manifest.toml").write_text('format = 1\nmodel_id = "stress-base-1"\nseed = 7\n', encoding="utf-8")
    fit: SiteFit = fit_site(site(callers=6), reference=calm_reference())
    first = write_profile(model, fit, labels_sha256="ab" * 32)
    second = write_profile(model, fit, labels_sha256="ab" * 32)
    assert [first.name, second.name] == ["stress-base-1-site1", "stress-base-1-site2"]
    assert (model / "calm.npz").read_bytes() == b"old"
    assert (first / "model.onnx").read_bytes() == b"network"
    assert tomllib.loads((second / "manifest.toml").read_text(encoding="utf-8")) == {
        "format": 1,
        "model_id": "stress-base-1-site2",
        "seed": 7,
    }
    with np.load(first / "calm.npz") as held:
        again = CalmReference.from_arrays(held)
    assert np.array_equal(again.log_slack, fit.reference.log_slack)
    told = tomllib.loads((first / "site.toml").read_text(encoding="utf-8"))
    assert told["score_map"]["slope"] == fit.score_map.slope
    assert told["after_on_unseen_callers"]["log_loss"] == fit.after.log_loss
    assert told["refitted"] == ["early", "ready"]
