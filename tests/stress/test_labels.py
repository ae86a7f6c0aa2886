"""Labels of a site: what is refused, and which utterances they name."""

import pytest

from voicepipe.stress.labels import Label, LabelError, labelled, read_labels
from voicepipe.types import Channel, Frustration, ScoredUtterance, StressScore

HEADER = "path,channel,start_s,end_s,label"
GOOD = [HEADER, "a.wav,caller,0,10,calm", "a.wav,caller,10,20,stressed", "b.wav,mixed,5.5,8,calm"]


def read(lines: list[str]) -> tuple[Label, ...]:
    return read_labels(lines, is_recording=lambda path: path.removeprefix("./") in {"a.wav", "b.wav"})


def score(stress: float) -> StressScore:
    return StressScore(
        stress=stress,
        arousal=0.0,
        valence=0.0,
        emotions={},
        confidence=1.0,
        model_id="fake",
        baseline_ready=True,
    )


def utterance(start_s: float, end_s: float, channel: Channel = Channel.CALLER, **of: object) -> ScoredUtterance:
    fields = {"score": None if channel is Channel.AGENT else score(0.5), "transcript": None} | of
    return ScoredUtterance(
        call_id="call",
        channel=channel,
        index=0,
        start_s=start_s,
        end_s=end_s,
        decided_s=end_s,
        speech_s=end_s - start_s,
        **fields,  # type: ignore[arg-type]
    )


def test_labels_are_read_with_their_lines() -> None:
    labels = read(GOOD)
    assert [label.line for label in labels] == [2, 3, 4]
    assert labels[1] == Label(
        line=3, path="a.wav", channel=Channel.CALLER, start_s=10.0, end_s=20.0, stressed=True, caller="a.wav"
    )


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
        ([*GOOD, "./a.wav,caller,9.5,9.8,calm"], "Line 5: overlaps with line 2 in a.wav"),
        ([*GOOD, "a.wav,caller,25"], "Line 5: the label ''"),
        (GOOD[:2], "only calm ones, from line 2 to line 2"),
        ([HEADER, GOOD[2]], "only stressed ones"),
    ],
)
def test_bad_labels_are_refused_with_their_line(lines: list[str], said: str) -> None:
    with pytest.raises(LabelError, match=said):
        read(lines)


def test_the_other_track_may_overlap() -> None:
    assert len(read([*GOOD, "b.wav,caller,6,7,calm"])) == 4


def test_other_separators_and_a_mark_of_order_are_read() -> None:
    assert read([line.replace(",", ";") for line in GOOD]) == read(GOOD)
    assert read([line.replace(",", ", ") for line in GOOD]) == read(GOOD)


def test_recordings_of_one_caller_are_told_by_a_column() -> None:
    named = [f"{GOOD[0]},caller", *(f"{line},Ann" for line in GOOD[1:3]), f"{GOOD[3]},"]
    assert [label.caller for label in read(named)] == ["Ann", "Ann", "b.wav"]
    with pytest.raises(LabelError, match=r"Line 3: a\.wav has the caller 'Bob' here and 'Ann' on line 2"):
        read([named[0], named[1], named[2].replace("Ann", "Bob"), named[3]])


@pytest.mark.parametrize(
    ("start_s", "end_s", "label"),
    [
        (2.0, 5.0, False),
        (9.0, 14.0, True),  # a second of calm, four of stress
        (17.0, 22.9, True),  # just over half within the label
        (17.0, 23.1, None),  # just under half
        (40.0, 41.0, None),
    ],
)
def test_an_utterance_gets_the_label_that_holds_most_of_it(start_s: float, end_s: float, label: bool | None) -> None:
    labels = [one for one in read(GOOD) if one.path == "a.wav"]
    assert [one.stressed for one in labelled([utterance(start_s, end_s)], labels)] == ([] if label is None else [label])


def test_the_agent_and_what_was_not_scored_have_no_label() -> None:
    labels = [one for one in read(GOOD) if one.path == "a.wav"]
    assert labelled([utterance(2.0, 5.0, Channel.AGENT), utterance(2.0, 5.0, score=None)], labels) == []


def test_the_frustration_of_the_words_comes_along() -> None:
    labels = [one for one in read(GOOD) if one.path == "a.wav"]
    said = [utterance(2.0, 5.0, frustration=Frustration(prob=0.3, words=(), model_id="fake")), utterance(6.0, 8.0)]
    assert [one.frustration for one in labelled(said, labels)] == [0.3, None]


def test_a_quotation_mark_that_is_not_closed_loses_no_label() -> None:
    with pytest.raises(LabelError, match="Line 3: this is no line of CSV"):
        read([GOOD[0], GOOD[1], '"a.wav,caller,10,20,stressed', GOOD[3]])
